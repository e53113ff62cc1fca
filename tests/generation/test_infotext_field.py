"""The request field `infotext`: what a client left unset comes from it."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

TEXT = (
    "a green leaf\nNegative prompt: car\n"
    "Steps: 3, Sampler: Euler a, Schedule type: Karras, CFG scale: 5.0, Seed: 77, Size: 72x64, "
    "Model hash: 0000000000, Model: nobody"
)


@pytest.fixture
def from_text(server: Any) -> Any:
    """txt2img of an infotext and nothing else but what is given."""

    def post(text: str, **fields: Any) -> dict[str, Any]:
        reply = server.post("/sdapi/v1/txt2img", {"infotext": text, **fields})
        assert reply.status_code == 200, reply.text
        return dict(reply.json())

    return post


def test_everything_unset_is_filled(from_text: Any, server: Any, read: Any) -> None:
    reply = from_text(TEXT)
    same = server.txt2img(
        prompt="a green leaf",
        negative_prompt="car",
        steps=3,
        sampler_name="Euler a",
        scheduler="Karras",
        cfg_scale=5.0,
        seed=77,
        width=72,
    )
    assert reply["images"] == same["images"]
    parameters = reply["parameters"]
    assert (parameters["prompt"], parameters["steps"], parameters["width"]) == ("a green leaf", 3, 72)
    assert (parameters["seed"], parameters["scheduler"]) == (77, "Karras")
    assert parameters["infotext"] == TEXT


def test_what_the_client_set_stays(from_text: Any, read: Any) -> None:
    reply = from_text(TEXT, steps=1, seed=-1, prompt="", width=64)
    parameters = reply["parameters"]
    assert (parameters["steps"], parameters["seed"], parameters["prompt"]) == (1, -1, "")
    assert (parameters["width"], parameters["negative_prompt"]) == (64, "car")
    assert read.info(reply)["seed"] != 77


def test_a_picture_of_ours_can_be_made_again_from_its_text(server: Any, from_text: Any, read: Any) -> None:
    options = {"CLIP_stop_at_last_layers": 2, "randn_source": "NV", "eta_noise_seed_delta": 3}
    first = server.txt2img(
        prompt="a (red:1.2) apple, on a table",
        negative_prompt="blue",
        steps=3,
        sampler_name="Euler a",
        cfg_scale=4.5,
        seed=5,
        subseed=6,
        subseed_strength=0.25,
        tiling=True,
        override_settings=options,
    )
    again = from_text(read.info(first)["infotexts"][0], tiling=True)
    assert again["images"] == first["images"]


def test_options_in_the_text_become_overrides(from_text: Any, read: Any) -> None:
    reply = from_text(f"{TEXT}, Clip skip: 2, ENSD: 31337", override_settings={"eta_noise_seed_delta": 1})
    assert reply["parameters"]["override_settings"]["CLIP_stop_at_last_layers"] == 2
    assert reply["parameters"]["override_settings"]["eta_noise_seed_delta"] == 1, "the client's own wins"
    assert read.pairs(reply)["Clip skip"] == "2"
    assert "sd_model_checkpoint" not in reply["parameters"]["override_settings"]


def test_the_second_pass_is_filled(server: Any, from_text: Any, read: Any) -> None:
    first = server.txt2img(
        enable_hr=True, denoising_strength=0.5, hr_scale=1.5, hr_upscaler="Lanczos", hr_second_pass_steps=3
    )
    again = from_text(read.info(first)["infotexts"][0])
    assert again["parameters"]["enable_hr"]
    assert again["images"] == first["images"]


def test_img2img_takes_the_sampling_fields_only(server: Any, photo: Image.Image, pictures: Any) -> None:
    body = {"init_images": [pictures.encode(photo)], "infotext": TEXT, "width": 64, "height": 64}
    reply = server.post("/sdapi/v1/img2img", body)
    assert reply.status_code == 200, reply.text
    parameters = reply.json()["parameters"]
    assert (parameters["steps"], parameters["seed"], parameters["sampler_name"]) == (3, 77, "Euler a")
    assert (parameters["prompt"], parameters["cfg_scale"]) == ("", 7.0)


def test_a_text_that_says_nothing_fills_the_prompt(from_text: Any) -> None:
    reply = from_text("just a prompt", steps=1, width=64, height=64)
    assert reply["parameters"]["prompt"] == "just a prompt"
