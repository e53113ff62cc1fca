"""The script "img2img alternative test": overrides, infotext, and the picture found again."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import numpy as np
import pytest
from PIL import Image

NAME = "img2img alternative test"


def arguments(**changes: Any) -> list[Any]:
    """All arguments in order, with prompts and 30 steps."""
    fields = {
        "info": None,
        "override_sampler": True,
        "override_prompt": True,
        "original_prompt": "a red apple",
        "original_negative_prompt": "",
        "override_steps": True,
        "steps": 30,
        "override_strength": True,
        "cfg_scale": 1.0,
        "randomness": 0.0,
        "sigma_adjustment": False,
    }
    return list((fields | changes).values())


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    y, x = np.mgrid[0:64, 0:64]
    return Image.fromarray(np.stack([x * 3, y * 3, x + y], axis=2).astype(np.uint8))


@pytest.fixture(scope="module")
def redraw(server: Any, photo: Image.Image) -> Any:
    def post(given: list[Any] | None = None, **fields: Any) -> dict[str, Any]:
        given = arguments() if given is None else given
        return dict(
            server.img2img(photo, script_name=NAME, script_args=given, **({"cfg_scale": 1.0} | fields))
        )

    return post


@pytest.fixture(scope="module")
def pixels(pictures: Any) -> Any:
    def read(reply: dict[str, Any], index: int = 0) -> np.ndarray:
        return np.asarray(pictures.decode(reply["images"][index]).convert("RGB")).astype(int)

    return read


@pytest.fixture(scope="module")
def coded(server: Any, photo: Image.Image, pixels: Any) -> Any:
    """The picture as the VAE gives it back."""
    return pixels(server.img2img(photo, denoising_strength=0.0))


@pytest.mark.parametrize("adjustment", [False, True])
def test_the_same_prompt_gives_the_picture_back(
    redraw: Any, server: Any, photo: Image.Image, pixels: Any, coded: Any, adjustment: bool
) -> None:
    again = np.abs(pixels(redraw(arguments(steps=50, sigma_adjustment=adjustment))) - coded).mean()
    random = server.img2img(photo, denoising_strength=1.0, steps=50, cfg_scale=1.0)
    assert again < np.abs(pixels(random) - coded).mean() / 2


def test_the_ways_of_sigma_adjustment_differ(redraw: Any, pixels: Any) -> None:
    one, other = (pixels(redraw(arguments(sigma_adjustment=way))) for way in (False, True))
    assert np.abs(one - other).max() > 2


def test_randomness_moves_away_from_the_picture(redraw: Any, pixels: Any, coded: Any) -> None:
    apart = [np.abs(pixels(redraw(arguments(randomness=share))) - coded).mean() for share in (0.0, 1.0)]
    assert apart[0] < apart[1]
    seeds = [redraw(arguments(randomness=1.0), seed=seed)["images"] for seed in (1, 2)]
    assert seeds[0] != seeds[1]


def test_overrides_take_the_place_of_the_request(redraw: Any) -> None:
    info = json.loads(redraw(prompt="other", steps=5, sampler_name="Euler a", denoising_strength=0.3)["info"])
    assert (info["prompt"], info["steps"], info["sampler_name"]) == ("a red apple", 30, "Euler")
    assert info["denoising_strength"] == 1.0


def test_without_overrides_the_request_holds(redraw: Any) -> None:
    given = arguments(
        override_sampler=False, override_prompt=False, override_steps=False, override_strength=False, steps=4
    )
    reply = redraw(
        given, prompt="other", negative_prompt="bad", steps=5, sampler_name="DDIM", denoising_strength=0.5
    )
    info = json.loads(reply["info"])
    assert (info["prompt"], info["negative_prompt"]) == ("other", "bad")
    assert (info["steps"], info["sampler_name"], info["denoising_strength"]) == (5, "DDIM", 0.5)


def test_the_infotext_says_how(redraw: Any) -> None:
    given = arguments(
        original_negative_prompt="grey", cfg_scale=2, randomness=0.5, steps=3, sigma_adjustment=True
    )
    (text,) = json.loads(redraw(given)["info"])["infotexts"]
    assert (
        "Decode prompt: a red apple, Decode negative prompt: grey, Decode CFG scale: 2, Decode steps: 3, "
        "Randomness: 0.5, Sigma Adjustment: True" in text
    )


def test_an_image_of_a_batch_equals_itself_alone(redraw: Any, pixels: Any) -> None:
    given = arguments(steps=4, randomness=0.5)
    # The last one: it is the one whose seed makes the encoder's noise.
    both, alone = redraw(given, batch_size=2, seed=3), redraw(given, seed=4)
    assert np.abs(pixels(both, 1) - pixels(alone)).max() <= 2
    assert np.abs(pixels(both, 0) - pixels(alone)).max() > 2


def test_a_mask_keeps_the_rest(redraw: Any, pixels: Any, pictures: Any, photo: Image.Image) -> None:
    mask = Image.new("L", (64, 64))
    mask.paste(255, (16, 16, 48, 48))
    made = redraw(
        arguments(steps=4), mask=pictures.encode(mask), mask_blur=0, inpaint_full_res=False, inpainting_fill=1
    )
    assert np.array_equal(pixels(made)[:16], np.asarray(photo).astype(int)[:16])


@pytest.mark.parametrize("steps", [0, 100_000])
def test_steps_nothing_can_be_made_of_are_refused(
    server: Any, pictures: Any, photo: Image.Image, steps: int
) -> None:
    given = arguments(steps=steps, override_steps=False)
    body = {"init_images": [pictures.encode(photo)], "script_name": NAME, "script_args": given, "steps": 2}
    assert server.post("/sdapi/v1/img2img", body | {"width": 64, "height": 64}).status_code == 422


def test_interrupted_on_the_way_back_the_picture_is_what_it_was(
    server: Any, redraw: Any, pixels: Any, coded: Any
) -> None:
    replies: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: replies.append(redraw(arguments(steps=2000))))
    thread.start()
    seen = {"progress": 0.0, "state": {}}
    while seen["progress"] < 0.02:
        time.sleep(0.02)
        seen = server.get("/sdapi/v1/progress?skip_current_image=true").json()
    assert seen["state"]["job_count"] == 2, "both ways count"
    assert seen["progress"] < 0.5
    server.post("/sdapi/v1/interrupt")
    thread.join(60)
    # What it is compared with has taken one last, tiny step.
    assert np.abs(pixels(replies[0]) - coded).max() <= 16


def test_it_is_listed_as_the_original(server: Any) -> None:
    (info,) = [one for one in server.get("/sdapi/v1/script-info").json() if one["name"] == NAME]
    assert (info["is_alwayson"], info["is_img2img"]) == (False, True)
    values = [(one["value"], one["minimum"], one["maximum"], one["step"]) for one in info["args"]]
    assert values[1:] == [
        (True, None, None, None),
        (True, None, None, None),
        ("", None, None, None),
        ("", None, None, None),
        (True, None, None, None),
        (50, 1, 150, 1),
        (True, None, None, None),
        (1.0, 0.0, 15.0, 0.1),
        (0.0, 0.0, 1.0, 0.01),
        (False, None, None, None),
    ]
    assert info["args"][0]["label"] == ""
