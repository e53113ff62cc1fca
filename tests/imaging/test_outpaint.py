"""Geometry of growing pictures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdapi_compat.errors import InvalidRequest
from sdapi_compat.imaging.outpaint import DIRECTIONS, MOST_PIXELS, Margins, margins, new_area


@pytest.mark.parametrize(
    ("size", "pixels", "directions", "expected"),
    [
        ((64, 64), 64, DIRECTIONS, (64, 64, 64, 64)),
        ((64, 64), 32, ["left", "right"], (32, 32, 0, 0)),
        ((64, 64), 32, ["left"], (64, 0, 0, 0)),
        ((100, 100), 128, DIRECTIONS, (142, 142, 142, 142)),
        ((100, 64), 8, ["down"], (0, 0, 0, 64)),
        ((65, 64), 8, ["left", "right", "nowhere"], (31, 32, 0, 0)),
    ],
)
def test_sides_grow_to_multiples_of_64(
    size: tuple[int, int], pixels: int, directions: list[str], expected: tuple[int, ...]
) -> None:
    assert margins(size, pixels, directions) == Margins(*expected)


@settings(max_examples=50, deadline=None)
@given(
    st.tuples(st.integers(1, 3000), st.integers(1, 3000)),
    st.integers(1, MOST_PIXELS),
    st.sets(st.sampled_from(DIRECTIONS), min_size=1),
)
def test_no_direction_gets_less_than_asked_nor_64_more(
    size: tuple[int, int], pixels: int, directions: set[str]
) -> None:
    grow = margins(size, pixels, directions)
    for name, added in zip(DIRECTIONS, grow, strict=True):
        assert pixels <= added < pixels + 64 if name in directions else added == 0
    for before, after in zip(size, grow.grown(size), strict=True):
        assert after == before or after % 64 == 0


@pytest.mark.parametrize(("pixels", "directions"), [(0, DIRECTIONS), (2049, ["up"]), (8, []), (8, ["north"])])
def test_what_cannot_be_grown_by_is_refused(pixels: int, directions: list[str]) -> None:
    with pytest.raises(InvalidRequest):
        margins((64, 64), pixels, directions)


def test_the_kept_rectangle_includes_its_last_row_and_column() -> None:
    mask = np.asarray(new_area((8, 6), (2, 1, 4, 3)))
    assert mask.shape == (6, 8)
    assert (mask[1:4, 2:5] == 0).all()
    assert (mask == 0).sum() == 9
    assert set(np.unique(mask)) == {0, 255}


@pytest.mark.parametrize("kept", [(5, 0, 4, 3), (0, 9, 4, 3)])
def test_nothing_is_kept_of_an_empty_rectangle(kept: tuple[int, int, int, int]) -> None:
    assert new_area((8, 6), kept).getextrema() == (255, 255)


def test_a_rectangle_may_reach_beyond_the_mask() -> None:
    assert new_area((8, 6), (-3, -3, 20, 20)).getextrema() == (0, 0)
