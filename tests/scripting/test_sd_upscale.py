"""SD upscale: tiles, seeds, batches, the large picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from sdapi_compat.errors import Fault, InvalidRequest

TITLE = "SD upscale"


def arguments(overlap: int = 8, upscaler: Any = "Lanczos", scale: float = 2.0) -> list[Any]:
    return ["", overlap, upscaler, scale]


def test_tiles_cover_the_enlarged_picture(play: Any, img2img: Any) -> None:
    played = play(TITLE, img2img(), arguments())
    assert len(played.asked) == sum(played.parts) == 9
    assert {(part.width, part.height, part.n_iter, part.grid) for part in played.asked} == {
        (64, 64, 1, False)
    }
    assert [picture.image.size for picture in played.outcome.pictures] == [(128, 128)]


def test_seeds_count_up_and_the_first_is_told(play: Any, img2img: Any) -> None:
    played = play(TITLE, img2img(seed=100), arguments())
    assert played.each("seed") == list(range(100, 109))
    assert (played.outcome.info["seed"], played.outcome.info["all_seeds"]) == (100, [108])
    assert played.outcome.infotexts == ["a red apple\nSteps: 4, Seed: 100, Version: v1.10.1"]


def test_a_batch_takes_several_tiles_and_the_next_seed_is_one_more(play: Any, img2img: Any) -> None:
    played = play(TITLE, img2img(batch_size=4), arguments())
    assert [len(part.picture.init_images) for part in played.asked] == [4, 4, 1]
    assert played.each("seed") == [5, 6, 7]


def test_every_turn_makes_one_large_picture_from_the_next_seed(play: Any, img2img: Any) -> None:
    played = play(TITLE, img2img(n_iter=2), arguments(overlap=0))
    assert played.each("seed") == [5, 6, 7, 8, 6, 7, 8, 9]
    assert len(played.outcome.pictures) == len(played.outcome.infotexts) == 2
    assert played.asked[5].title == "Batch 6 out of 8"


def test_tiles_come_back_in_their_places(play: Any, img2img: Any, colour_of: Any) -> None:
    large = play(TITLE, img2img(), arguments(overlap=0)).outcome.pictures[0].image
    corners = [large.getpixel(place) for place in ((0, 0), (127, 0), (0, 127), (127, 127))]
    assert corners == [colour_of(number) for number in range(4)]


def test_what_was_not_made_shows_the_enlarged_picture(play: Any, img2img: Any, colour_of: Any) -> None:
    large = play(TITLE, img2img(), arguments(overlap=0), interrupted=1).outcome.pictures[0].image
    assert large.getpixel((0, 0)) == colour_of(0)
    assert large.getpixel((127, 127)) == (255, 0, 0)


def test_without_an_upscaler_the_picture_is_only_cut(play: Any, img2img: Any) -> None:
    played = play(TITLE, img2img(Image.new("RGB", (100, 64))), arguments(upscaler="None", scale=9))
    assert played.outcome.pictures[0].image.size == (100, 64)
    assert played.asked[0].extra == {"SD upscale overlap": 8, "SD upscale upscaler": "None"}


@pytest.mark.parametrize("name", ["Nearest", "NEAREST", 2, "2"])
def test_upscalers_by_name_and_place(play: Any, img2img: Any, name: Any) -> None:
    checkered = Image.fromarray(np.indices((64, 64)).sum(axis=0).astype(np.uint8) % 2 * 255)
    played = play(TITLE, img2img(checkered), arguments(upscaler=name))
    assert played.asked[0].extra["SD upscale upscaler"] == "Nearest"
    tile = np.asarray(played.asked[0].picture.init_images[0])
    assert set(np.unique(tile)) == {0, 255}


def test_transparent_pictures_get_the_background(play: Any, img2img: Any) -> None:
    clear = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    played = play(TITLE, img2img(clear, {"img2img_background_color": "#00ff00"}), arguments())
    assert played.asked[0].picture.init_images[0].getpixel((9, 9)) == (0, 255, 0)


def test_an_unknown_upscaler_is_a_value_error(play: Any, img2img: Any) -> None:
    with pytest.raises(Fault) as caught:
        play(TITLE, img2img(), arguments(upscaler="Magic"))
    assert (caught.value.name, caught.value.message) == ("ValueError", "could not find upscaler named Magic")


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"scale": 1e9}, 3),
        ({"scale": -1.0}, 3),
        ({"scale": float("nan")}, 3),
        ({"scale": float("inf")}, 3),
        ({"overlap": 64}, 1),
        ({"overlap": -1}, 1),
        ({"overlap": 63, "scale": 4.0}, 1),
    ],
)
def test_what_would_fill_the_memory_is_refused(play: Any, img2img: Any, wrong: Any, place: int) -> None:
    with pytest.raises(InvalidRequest) as caught:
        play(TITLE, img2img(), arguments(**wrong))
    assert caught.value.problems[0].loc == ("body", "script_args", place)


def test_large_pictures_are_kept_and_tiles_are_not(play: Any, img2img: Any) -> None:
    played = play(TITLE, img2img(save_images=True, n_iter=2), arguments(overlap=0))
    assert {part.save_images for part in played.asked} == {False}
    assert [(keep.grid, keep.draft.seed, keep.draft.save_images) for keep in played.outcome.keep] == [
        (None, 5, True),
        (None, 6, True),
    ]
    assert [keep.picture.image for keep in played.outcome.keep] == [
        picture.image for picture in played.outcome.pictures
    ]
