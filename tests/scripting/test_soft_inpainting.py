"""The extension "Soft inpainting": its arithmetic, and what it does to pictures."""

from __future__ import annotations

import json
import math
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sdapi_compat.scripting import Blending, Sampled
from sdapi_compat.scripting.index import discover

ROOT = Path(__file__).resolve().parents[2]
EXTENSION = discover([], [ROOT / "extensions"]).extensions["soft inpainting"]
soft: Any = sys.modules[type(EXTENSION).__module__]
PAIRS = {
    "Soft inpainting enabled": "True",
    "Soft inpainting schedule bias": "1",
    "Soft inpainting preservation strength": "0.5",
    "Soft inpainting transition contrast boost": "4",
    "Soft inpainting mask influence": "0",
    "Soft inpainting difference threshold": "0.5",
    "Soft inpainting difference contrast": "2",
}


def mix(paint: float, level: float = 1.0, **changes: Any) -> Any:
    """A cell of length 2 and one of length 6 at a right angle, mixed; (C,) of the result."""
    old, new = (torch.tensor(one).view(1, 2, 1, 1) for one in ([2.0, 0.0], [0.0, 6.0]))
    blending = Blending(old, new, torch.tensor([[paint]]), level)
    return soft.blend(soft.SoftArguments(**changes), blending).flatten()


@pytest.mark.parametrize(("paint", "expected"), [(0.0, [2.0, 0.0]), (1.0, [0.0, 6.0])])
def test_black_keeps_the_old_and_white_takes_the_new(paint: float, expected: list[float]) -> None:
    assert mix(paint).tolist() == pytest.approx(expected, rel=1e-4)


def test_the_mix_has_the_direction_of_the_linear_mix_and_the_power_mean_length() -> None:
    result = mix(0.25, scale=1.0)
    assert result[0] / result[1] == pytest.approx((0.75 * 2) / (0.25 * 6), rel=1e-4)
    expected = (0.75 * 2**4 + 0.25 * 6**4) ** 0.25
    assert float(result.norm()) == pytest.approx(expected, rel=1e-4)


def test_contrast_boost_lengthens_the_mix() -> None:
    lengths = [float(mix(0.5, detail=detail).norm()) for detail in (1, 4, 32)]
    assert lengths == sorted(lengths)
    assert lengths[2] < 6


def test_noise_and_strength_keep_more_of_the_old() -> None:
    share = {level: float(mix(0.5, level)[1]) for level in (0.03, 1.0, 14.0)}
    assert share[0.03] > share[1.0] > share[14.0]
    assert mix(0.5, scale=4.0)[1] < mix(0.5, scale=0.5)[1]
    assert float(mix(0.5, 14.0, power=0)[1]) == pytest.approx(share[1.0])


def slow_mean(values: np.ndarray, y: int, x: int, low: float, high: float) -> float:
    """The same by the letter: a stack of weights in the order of the values, and a window on it."""
    floor = math.exp(-9 / 2.25)
    stack = []
    for row in range(max(0, y - 2), min(values.shape[0], y + 3)):
        for column in range(max(0, x - 2), min(values.shape[1], x + 3)):
            near = math.exp(-((row - y) ** 2 + (column - x) ** 2) / 2.25)
            stack.append((values[row, column], max(0.0, (near - floor) / (1 - floor))))
    total = sum(weight for _, weight in stack)
    start, end = low * total, high * total
    if end - start < 1:
        middle = (start + end) / 2
        start, end = middle - 0.5, middle + 0.5
        start, end = (total - 1, total) if end > total else (start, end)
        start, end = (0.0, 1.0) if start < 0 else (start, end)
    below = counted = result = 0.0
    for value, weight in sorted(stack):
        share = max(0.0, min(below + weight, end) - max(below, start))
        counted, result, below = counted + share, result + share * value, below + weight
    return result / counted


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 7), st.integers(1, 7), st.sampled_from(soft.SHARES))
def test_neighbourhoods_are_averaged_by_the_letter(
    seed: int, height: int, width: int, shares: tuple[float, float]
) -> None:
    values = np.random.default_rng(seed).random((height, width)) * 10
    result = soft.neighbourhood_mean(values, *shares)
    expected = [[slow_mean(values, y, x, *shares) for x in range(width)] for y in range(height)]
    assert np.allclose(result, expected)


def test_what_differs_more_shows_more() -> None:
    half = np.full((1, 5), 0.5)
    shown = [
        soft.opacity(soft.SoftArguments(), np.full((1, 5), distance), half)[0, 2]
        for distance in (0.0, 0.25, 0.5, 1.0, 9.0)
    ]
    assert shown[0] == 0
    assert shown[2] == pytest.approx(0.5)
    assert shown == sorted(shown)
    assert shown[4] > 0.99


def test_the_mask_lowers_the_threshold_by_its_influence() -> None:
    paint = np.array([[0.0, 0.5, 1.0]])
    without = soft.half_distance(soft.SoftArguments(influence=0), paint)
    wholly = soft.half_distance(soft.SoftArguments(influence=1), paint)
    assert without[0].tolist() == pytest.approx([0.5] * 3, rel=1e-4)
    assert wholly[0, 0] > 1000
    assert wholly[0, 2] == 0
    assert wholly[0, 0] > wholly[0, 1] > wholly[0, 2]


@pytest.mark.parametrize("arguments", [{"threshold": 0}, {"contrast": 0}, {"influence": 1}, {"contrast": -3}])
def test_odd_numbers_give_masks_all_the_same(arguments: dict[str, Any]) -> None:
    latents = torch.randn((2, 4, 8, 8), generator=torch.Generator().manual_seed(0))
    done = Sampled(torch.zeros(2, 4, 8, 8), latents, torch.ones(8, 8), (96, 64))
    made = soft.overlay_masks(soft.SoftArguments(**arguments), done)
    assert [(mask.mode, mask.size) for mask in made] == [("L", (96, 64))] * 2


ARGS = {"Soft Inpainting": {"args": [True]}}
WHOLE = {"inpaint_full_res": False, "inpainting_fill": 1, "mask_blur": 4, "denoising_strength": 1.0}


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    y, x = np.mgrid[0:64, 0:64]
    return Image.fromarray(np.stack([x * 4, y * 4, (x // 8 + y // 8) % 2 * 200], axis=2).astype(np.uint8))


@pytest.fixture(scope="module")
def inpaint(server: Any, pictures: Any, photo: Image.Image) -> Any:
    """Inpainting of the photo where a mask with grey edges is."""
    mask = Image.new("L", (64, 64))
    mask.paste(255, (20, 20, 44, 44))

    def post(**fields: Any) -> dict[str, Any]:
        return server.img2img(photo, mask=pictures.encode(mask), **(WHOLE | fields))

    return post


@pytest.fixture(scope="module")
def pixels(pictures: Any) -> Any:
    """`pixels(reply, index)` as signed numbers."""

    def read(reply: dict[str, Any], index: int = 0) -> np.ndarray:
        return np.asarray(pictures.decode(reply["images"][index]).convert("RGB")).astype(int)

    return read


def pairs(reply: dict[str, Any]) -> dict[str, str]:
    (text,) = json.loads(reply["info"])["infotexts"]
    parts = (pair.partition(": ") for pair in text.rsplit("\n", 1)[-1].split(", "))
    return {key: value for key, _, value in parts}


def test_it_is_listed_as_the_original(server: Any) -> None:
    names = server.get("/sdapi/v1/scripts").json()
    assert "soft inpainting" in names["img2img"]
    assert "soft inpainting" not in names["txt2img"]
    (info,) = [one for one in server.get("/sdapi/v1/script-info").json() if one["name"] == "soft inpainting"]
    assert (info["is_alwayson"], info["is_img2img"]) == (True, True)
    assert [tuple(one.values()) for one in info["args"]] == [
        ("Soft inpainting", False, None, None, None, None),
        ("Schedule bias", 1, 0, 8, 0.1, None),
        ("Preservation strength", 0.5, 0, 8, 0.05, None),
        ("Transition contrast boost", 4, 1, 32, 0.5, None),
        ("Mask influence", 0, 0, 1, 0.05, None),
        ("Difference threshold", 0.5, 0, 8, 0.25, None),
        ("Difference contrast", 2, 0, 8, 0.25, None),
    ]


def test_it_is_off_by_default(inpaint: Any) -> None:
    plain = inpaint()
    off = inpaint(alwayson_scripts={"soft inpainting": {"args": [False, 3]}})
    assert off["images"] == plain["images"]
    assert not PAIRS.keys() & pairs(off).keys()


def test_it_changes_the_picture_and_says_so(inpaint: Any, pixels: Any) -> None:
    made = inpaint(alwayson_scripts=ARGS)
    assert np.abs(pixels(made) - pixels(inpaint())).max() > 10
    told = pairs(made)
    assert {key: told[key] for key in PAIRS} == PAIRS
    order = list(told)
    assert order.index("Soft inpainting enabled") < order.index("Mask blur")


def test_what_is_far_from_the_mask_stays(inpaint: Any, pixels: Any, photo: Image.Image) -> None:
    change = np.abs(pixels(inpaint(alwayson_scripts=ARGS, mask_blur=0)) - np.asarray(photo).astype(int))
    assert change[:4, :4].max() <= 2
    assert change[28:36, 28:36].max() > 20


def test_without_a_mask_it_does_nothing(server: Any, photo: Image.Image) -> None:
    made = server.img2img(photo, alwayson_scripts=ARGS)
    assert made["images"] == server.img2img(photo)["images"]
    assert not PAIRS.keys() & pairs(made).keys()


def test_numbers_are_told_as_they_were_sent(inpaint: Any) -> None:
    told = pairs(inpaint(alwayson_scripts={"soft inpainting": {"args": [True, 1.0, 1, 2.5, 0.5, "1", 3]}}))
    assert [told[key] for key in PAIRS] == ["True", "1.0", "1", "2.5", "0.5", "1", "3"]


def test_a_wrong_argument_is_named(server: Any, photo: Image.Image, pictures: Any) -> None:
    body = {
        "init_images": [pictures.encode(photo)],
        "alwayson_scripts": {"soft inpainting": {"args": [1, "x"]}},
    }
    reply = server.post("/sdapi/v1/img2img", body)
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"] == ["body", "alwayson_scripts", "soft inpainting", 1]


@pytest.mark.parametrize("sampler", ["Euler a", "DDIM", "UniPC", "LCM"])
def test_it_works_with_every_family_of_samplers(inpaint: Any, pixels: Any, sampler: str) -> None:
    fields = {"sampler_name": sampler, "steps": 4}
    made = inpaint(alwayson_scripts=ARGS, **fields)
    assert np.abs(pixels(made) - pixels(inpaint(**fields))).max() > 5


def test_only_masked_keeps_the_rest_of_the_picture(inpaint: Any, pixels: Any, photo: Image.Image) -> None:
    fields = {"inpaint_full_res": True, "mask_blur": 0, "inpaint_full_res_padding": 4}
    made = pixels(inpaint(alwayson_scripts=ARGS, **fields))
    change = np.abs(made - np.asarray(photo).astype(int)).max(axis=2)
    outside = np.ones((64, 64), bool)
    outside[16:48, 16:48] = False
    assert change[outside].max() == 0
    assert change.max() > 20


def test_an_image_of_a_batch_equals_itself_alone(inpaint: Any, pixels: Any) -> None:
    # The last one: it is the one whose seed makes the encoder's noise.
    both, alone = inpaint(alwayson_scripts=ARGS, batch_size=2, seed=5), inpaint(alwayson_scripts=ARGS, seed=6)
    assert np.abs(pixels(both, 1) - pixels(alone)).max() <= 2
    assert np.abs(pixels(both, 0) - pixels(alone)).max() > 2


def test_its_own_masks_are_returned(inpaint: Any, pictures: Any, pixels: Any, photo: Image.Image) -> None:
    options = {"return_mask": True, "overlay_inpaint": False}
    made = inpaint(alwayson_scripts=ARGS, override_settings=options, mask_blur=0)
    mask = np.asarray(pictures.decode(made["images"][1]).convert("L"))
    plain = np.asarray(pictures.decode(inpaint(override_settings=options)["images"][1]).convert("L"))
    assert not np.array_equal(mask, plain)
    # The original lays the picture over the result here even where the option says not to.
    kept = mask < 8
    assert kept.any()
    assert np.abs(pixels(made)[kept] - np.asarray(photo).astype(int)[kept]).max() <= 8


def test_other_jobs_at_the_same_time_change_nothing(inpaint: Any, pixels: Any) -> None:
    wishes = [{"alwayson_scripts": ARGS}, {}, {"alwayson_scripts": ARGS, "seed": 9}, {"seed": 9}]
    alone = [inpaint(**wish, steps=6) for wish in wishes]
    with ThreadPoolExecutor(len(wishes)) as pool:
        together = list(pool.map(lambda wish: inpaint(**wish, steps=6), wishes))
    for one, other in zip(alone, together, strict=True):
        assert np.abs(pixels(one) - pixels(other)).max() <= 2


def test_txt2img_takes_its_name_and_goes_on(server: Any) -> None:
    assert server.txt2img(alwayson_scripts=ARGS)["images"] == server.txt2img()["images"]
