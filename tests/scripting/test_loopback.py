"""Loopback: strengths, seeds, what follows on what, the grid."""

from __future__ import annotations

import math
from typing import Any

import pytest
from PIL import Image

from sdapi_compat.errors import ApiError, InvalidRequest

TITLE = "Loopback"


def test_every_loop_goes_on_from_the_picture_before(play: Any, img2img: Any, colour_of: Any) -> None:
    played = play(TITLE, img2img(), [3, 0.5, "Linear", "None"])
    firsts = [part.picture.init_images[0].getpixel((0, 0)) for part in played.asked]
    assert firsts == [(255, 0, 0), colour_of(0), colour_of(1)]
    assert played.each("seed") == [5, 6, 7]
    assert sum(played.parts) == 3


@pytest.mark.parametrize(
    ("curve", "middle"),
    [
        ("Linear", 0.5),
        ("Aggressive", math.sin(math.pi / 4)),
        ("Lazy", 1 - math.cos(math.pi / 4)),
        ("Unknown", 0.5),
    ],
)
def test_strengths_follow_the_curve(play: Any, img2img: Any, curve: str, middle: float) -> None:
    played = play(TITLE, img2img(denoising_strength=0.8), [3, 0.2, curve, "None"])
    strengths = played.each("denoising_strength")
    assert strengths == pytest.approx([0.8, 0.8 - 0.6 * middle, 0.2])
    assert played.asked[0].extra == {"Final denoising strength": 0.2, "Denoising curve": curve}


def test_one_loop_has_the_strength_of_the_request(play: Any, img2img: Any) -> None:
    played = play(TITLE, img2img(denoising_strength=0.8), [1, 0.2])
    assert played.each("denoising_strength") == [0.8]
    assert len(played.outcome.pictures) == 1


def test_the_grid_is_one_row_in_front(play: Any, img2img: Any, colour_of: Any) -> None:
    outcome = play(TITLE, img2img(), [3]).outcome
    assert [picture.image.size for picture in outcome.pictures] == [(192, 64)] + [(64, 64)] * 3
    row = [outcome.pictures[0].image.getpixel((64 * index, 0)) for index in range(3)]
    assert row == [colour_of(index) for index in range(3)]
    assert outcome.info["index_of_first_image"] == 0


def test_infotexts_are_those_of_the_first_picture(play: Any, img2img: Any) -> None:
    outcome = play(TITLE, img2img(), [2]).outcome
    assert (
        outcome.infotexts
        == outcome.info["infotexts"]
        == ["a red apple\nSteps: 4, Seed: 5, Version: v1.10.1"] * 3
    )
    assert [picture.infotext for picture in outcome.pictures[1:]] == [
        f"a red apple\nSteps: 4, Seed: {seed}, Version: v1.10.1" for seed in (5, 6)
    ]
    assert (outcome.info["seed"], outcome.info["all_seeds"], outcome.info["subseed"]) == (5, [6], -1)


def test_return_grid_off_leaves_the_grid_out(play: Any, img2img: Any) -> None:
    outcome = play(TITLE, img2img(options={"return_grid": False}), [2]).outcome
    assert len(outcome.pictures) == len(outcome.infotexts) == 2


def test_several_chains_begin_anew_and_show_their_last_pictures(
    play: Any, img2img: Any, colour_of: Any
) -> None:
    played = play(TITLE, img2img(n_iter=2, batch_size=3), [2, 0.5])
    assert played.each("seed") == [5, 6, 7, 8]
    assert {(part.batch_size, part.n_iter) for part in played.asked} == {(1, 1)}
    assert played.asked[2].picture.init_images[0].getpixel((0, 0)) == (255, 0, 0)
    assert played.each("denoising_strength") == [0.75, 0.5, 0.75, 0.5]
    shown = [picture.image.getpixel((0, 0)) for picture in played.outcome.pictures[1:]]
    assert shown == [colour_of(1), colour_of(3)]
    assert played.asked[3].title == "Iteration 2/2, batch 2/2"


def test_masked_content_is_filled_once(play: Any, img2img: Any, pictures: Any) -> None:
    mask = pictures.encode(Image.new("L", (64, 64), 255))
    played = play(TITLE, img2img(mask=mask, inpainting_fill=2, n_iter=2), [2])
    assert [part.picture.inpainting_fill for part in played.asked] == [2, 1, 2, 1]


def test_colours_are_corrected_to_the_first_picture(play: Any, img2img: Any) -> None:
    played = play(TITLE, img2img(Image.new("RGBA", (64, 64), (0, 0, 255, 255))), [2])
    assert {part.picture.color_target.getpixel((0, 0)) for part in played.asked} == {(0, 0, 255)}


def test_the_variation_seed_is_drawn_once(play: Any, img2img: Any) -> None:
    played = play(TITLE, img2img(subseed_strength=0.5), [3])
    assert len({part.subseed for part in played.asked}) == 1
    assert played.asked[0].subseed != -1


def test_an_interrupted_chain_shows_what_it_has(play: Any, img2img: Any) -> None:
    played = play(TITLE, img2img(n_iter=3), [2], interrupted=3)
    assert len(played.asked) == 6
    assert len(played.outcome.pictures) == 3


@pytest.mark.parametrize("wanted", ["CLIP", "DeepBooru", "anything"])
def test_interrogation_is_refused_with_the_reason(play: Any, img2img: Any, wanted: str) -> None:
    with pytest.raises(ApiError) as caught:
        play(TITLE, img2img(), [2, 0.5, "Linear", wanted])
    assert caught.value.status == 501
    assert "no interrogator" in caught.value.detail


@pytest.mark.parametrize(("wrong", "place"), [([0], 0), ([-3], 0), ([10**9], 0), ([2, float("nan")], 1)])
def test_senseless_arguments_are_named(play: Any, img2img: Any, wrong: list[Any], place: int) -> None:
    with pytest.raises(InvalidRequest) as caught:
        play(TITLE, img2img(), wrong)
    assert caught.value.problems[0].loc == ("body", "script_args", place)


def test_the_grid_is_kept(play: Any, img2img: Any) -> None:
    (keep,) = play(TITLE, img2img(), [2]).outcome.keep
    assert keep.grid == "grid"
    assert keep.picture.image.size == (128, 64)
