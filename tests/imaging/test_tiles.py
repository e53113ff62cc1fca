from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sdapi_compat.errors import Fault
from sdapi_compat.imaging.tiles import combine, split


@pytest.mark.parametrize(
    ("size", "tile", "overlap", "lefts", "tops"),
    [
        ((128, 64), (64, 64), 8, [0, 32, 64], [0]),
        ((128, 128), (64, 64), 0, [0, 64], [0, 64]),
        ((100, 100), (64, 64), 16, [0, 36], [0, 36]),
        ((200, 64), (64, 64), 10, [0, 45, 90, 136], [0]),  # 45.33 and 90.67 truncated
        ((64, 64), (64, 64), 8, [0], [0]),
        ((9, 70), (9, 9), 0, [0], [0, 8, 17, 26, 34, 43, 52, 61]),  # 7 * (61 / 7) is 61, not 60.99
        ((60, 40), (64, 64), 8, [-4], [-24]),
        ((6, 6), (64, 64), 8, [-58], [-58]),
    ],
)
def test_positions(size: Any, tile: Any, overlap: Any, lefts: Any, tops: Any) -> None:
    grid = split(Image.new("RGB", size), tile, overlap)
    assert [tile.x for tile in grid.rows[0]] == lefts
    assert [row[0].y for row in grid.rows] == tops
    assert {image.size for image in grid.images} == {tile}


def test_tiles_are_the_picture_at_their_place(noise: Any) -> None:
    picture = noise(100, 90)
    for row in split(picture, (40, 32), 7).rows:
        for tile in row:
            assert tile.image.tobytes() == picture.crop((tile.x, tile.y, tile.x + 40, tile.y + 32)).tobytes()


def test_a_tile_larger_than_the_picture_is_black_before_it(noise: Any) -> None:
    picture = noise(6, 5)
    (tile,) = split(picture, (8, 8), 2).images
    assert tile.crop((2, 3, 8, 8)).tobytes() == picture.tobytes()
    assert tile.crop((0, 0, 8, 3)).getextrema() == ((0, 0),) * 3


@pytest.mark.parametrize("overlap", [-1, 32, 40])
def test_overlap_must_be_smaller_than_the_tile(overlap: Any) -> None:
    with pytest.raises(Fault, match="expected a tile overlap from 0 to 31"):
        split(Image.new("RGB", (64, 64)), (64, 32), overlap)


def test_seams_are_linear_ramps(levels: Any) -> None:
    grid = split(Image.new("RGB", (112, 64)), (64, 64), 16)
    black, white = Image.new("RGB", (64, 64)), Image.new("RGB", (64, 64), "white")
    row = levels(combine(grid.with_images([black, white])))[0, :, 0]
    assert row[:48].max() == 0
    # 255 * i / 16, truncated
    assert row[48:64].tolist() == [int(255 * i / 16) for i in range(16)]
    assert row[64:].min() == 255


def test_rows_are_ramps_downwards(levels: Any) -> None:
    grid = split(Image.new("RGB", (64, 112)), (64, 64), 16)
    black, white = Image.new("RGB", (64, 64)), Image.new("RGB", (64, 64), "white")
    column = levels(combine(grid.with_images([black, white])))[:, 5, 2]
    assert column[48:64].tolist() == [int(255 * i / 16) for i in range(16)]
    assert (column[:48].max(), column[64:].min()) == (0, 255)


def test_with_images_goes_in_reading_order(noise: Any) -> None:
    grid = split(noise(128, 128), (64, 64), 0)
    fresh = [noise(64, 64, seed=seed) for seed in range(4)]
    joined = combine(grid.with_images(fresh))
    assert joined.crop((64, 0, 128, 64)).tobytes() == fresh[1].tobytes()
    assert joined.crop((0, 64, 64, 128)).tobytes() == fresh[2].tobytes()


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.tuples(st.integers(8, 40), st.integers(8, 40)),
    st.integers(0, 7),
    st.integers(0, 100),
)
def test_split_and_combine_give_the_picture_back(size: Any, tile: Any, overlap: Any, seed: Any) -> None:
    picture = Image.effect_noise(size, 80 + seed).convert("RGB")
    assert combine(split(picture, tile, overlap)).tobytes() == picture.tobytes()
