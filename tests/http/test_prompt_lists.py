"""`prompt` as a list: one picture for each, as if each had been asked for alone with its seed."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

TXT2IMG = "/sdapi/v1/txt2img"
IMG2IMG = "/sdapi/v1/img2img"
SMALL = {"steps": 2, "width": 64, "height": 64, "sampler_name": "Euler", "seed": 7, "subseed": 9}
ROUNDING = 2
THREE = ["a cat", "a dog (big:1.2)", "the sun"]


def test_one_picture_each_with_the_seed_counted_up(server: Any, pictures: Any) -> None:
    reply = server.post(TXT2IMG, SMALL | {"prompt": THREE}).json()
    info = json.loads(reply["info"])
    assert info["all_prompts"] == THREE
    assert info["all_seeds"] == [7, 8, 9]
    assert reply["parameters"]["prompt"] == THREE
    for number, prompt in enumerate(THREE):
        alone = server.post(TXT2IMG, SMALL | {"prompt": prompt, "seed": 7 + number}).json()
        one, other = (pictures.decode(told["images"][index]) for told, index in ((alone, 0), (reply, number)))
        assert np.abs(np.asarray(one, int) - np.asarray(other, int)).max() <= ROUNDING
        assert info["infotexts"][number] == json.loads(alone["info"])["infotexts"][0]


@pytest.mark.parametrize(("batch_size", "sizes"), [(1, 1), (2, 1), (3, 3), (8, 3)])
def test_batch_size_is_how_many_are_made_at_a_time(server: Any, batch_size: int, sizes: int) -> None:
    reply = server.post(TXT2IMG, SMALL | {"prompt": THREE, "batch_size": batch_size}).json()
    assert len(reply["images"]) == 3
    assert json.loads(reply["info"])["batch_size"] == sizes


def test_a_variation_has_one_seed_and_its_own_are_counted_up(server: Any) -> None:
    asked = SMALL | {"prompt": THREE, "subseed": 20, "subseed_strength": 0.5}
    info = json.loads(server.post(TXT2IMG, asked).json()["info"])
    assert (info["all_seeds"], info["all_subseeds"]) == ([7, 7, 7], [20, 21, 22])


def test_img2img_and_hires_take_lists(server: Any, photo: Any, pictures: Any) -> None:
    asked = SMALL | {"prompt": THREE, "init_images": [pictures.encode(photo)]}
    assert len(server.post(IMG2IMG, asked).json()["images"]) == 3
    hires = {"enable_hr": True, "denoising_strength": 0.5, "hr_scale": 1.5, "hr_upscaler": "Latent"}
    assert len(server.post(TXT2IMG, SMALL | hires | {"prompt": THREE}).json()["images"]) == 3


def test_a_list_of_one_is_a_prompt(server: Any) -> None:
    listed, plain = (server.post(TXT2IMG, SMALL | {"prompt": prompt}).json() for prompt in (["x"], "x"))
    assert listed["images"] == plain["images"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"prompt": []}, ["prompt"]),
        ({"prompt": ["a", None]}, ["prompt", 1]),
        ({"prompt": ["a", {}]}, ["prompt", 1]),
        ({"prompt": ["a"] * 1001}, ["prompt"]),
        ({"prompt": THREE, "n_iter": 2}, ["n_iter"]),
        ({"prompt": THREE, "script_name": "prompt matrix"}, ["script_name"]),
    ],
)
def test_lists_nothing_can_be_made_of(server: Any, wrong: dict[str, Any], field: list[Any]) -> None:
    reply = server.post(TXT2IMG, SMALL | wrong)
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"] == ["body", *field]
