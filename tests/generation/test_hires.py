"""The second pass of txt2img, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

HIRES = {"enable_hr": True, "denoising_strength": 0.5, "hr_scale": 1.5}


def test_the_default_is_latent_at_twice_the_size(server: Any, read: Any) -> None:
    reply = server.txt2img(enable_hr=True, denoising_strength=0.7)
    assert read.image(reply).size == (128, 128)
    pairs, info = read.pairs(reply), read.info(reply)
    assert (info["width"], info["height"], pairs["Size"]) == (64, 64, "64x64")
    assert (pairs["Hires upscale"], pairs["Denoising strength"]) == ("2.0", "0.7")
    assert "Hires upscaler" not in pairs
    assert info["denoising_strength"] == 0.7


@pytest.mark.parametrize(
    "upscaler",
    ["Latent", "Latent (nearest-exact)", "Latent (bicubic antialiased)", "Lanczos", "Nearest", "None"],
)
def test_upscalers(server: Any, read: Any, upscaler: str) -> None:
    reply = server.txt2img(**HIRES, hr_upscaler=upscaler)
    assert read.image(reply).size == (96, 96)
    assert read.pairs(reply)["Hires upscaler"] == upscaler
    assert reply["images"] == server.txt2img(**HIRES, hr_upscaler=upscaler)["images"]


def test_latent_and_pixel_upscaling_differ(server: Any, read: Any) -> None:
    latent = server.txt2img(**HIRES, hr_upscaler="Latent")
    assert read.difference(latent, server.txt2img(**HIRES, hr_upscaler="Lanczos")) > 5


@pytest.mark.parametrize(
    ("fields", "size", "shown"),
    [
        ({"hr_resize_x": 96}, (96, 96), "96x0"),
        ({"hr_resize_y": 80}, (80, 80), "0x80"),
        ({"hr_resize_x": 112, "hr_resize_y": 80}, (112, 80), "112x80"),
        ({"hr_resize_x": 80, "hr_resize_y": 112, "hr_upscaler": "Lanczos"}, (80, 112), "80x112"),
    ],
)
def test_resizing_to_a_size_crops_what_sticks_out(
    server: Any, read: Any, fields: dict[str, Any], size: tuple[int, int], shown: str
) -> None:
    reply = server.txt2img(**(HIRES | fields))
    assert read.image(reply).size == size
    assert read.pairs(reply)["Hires resize"] == shown
    assert "Hires upscale" not in read.pairs(reply)


def test_steps_sampler_and_prompts_of_the_second_pass(server: Any, read: Any) -> None:
    plain = server.txt2img(**HIRES)
    changes = {
        "hr_second_pass_steps": 4,
        "hr_sampler_name": "Euler a",
        "hr_scheduler": "karras",
        "hr_prompt": "a blue car",
        "hr_negative_prompt": "red",
    }
    for name, value in changes.items():
        assert read.difference(plain, server.txt2img(**HIRES, **{name: value})) > 0, name
    pairs = read.pairs(server.txt2img(**HIRES, **changes))
    assert pairs["Hires steps"] == "4"
    assert pairs["Hires sampler"] == "Euler a"
    assert pairs["Hires schedule type"] == "Karras"
    assert pairs["Hires prompt"] == "a blue car"
    assert pairs["Hires negative prompt"] == "red"
    assert (pairs["Sampler"], pairs["Schedule type"], pairs["Steps"]) == ("Euler", "Automatic", "2")


def test_the_noise_of_the_second_pass_is_told(server: Any, read: Any) -> None:
    fields = {"hr_sampler_name": "Euler a", "eta": 0.5}
    assert read.pairs(server.txt2img(**HIRES, **fields))["Eta"] == "0.5"
    assert "Eta" not in read.pairs(server.txt2img(**HIRES, eta=0.5))


def test_the_same_values_are_not_mentioned(server: Any, read: Any) -> None:
    same = {"hr_sampler_name": "Euler", "hr_scheduler": "automatic", "hr_prompt": "a red apple"}
    reply = server.txt2img(**HIRES, **same)
    assert reply["images"] == server.txt2img(**HIRES)["images"]
    assert not [key for key in read.pairs(reply) if key in ("Hires sampler", "Hires prompt")]


def test_the_order_of_the_pairs(server: Any, read: Any) -> None:
    reply = server.txt2img(**HIRES, hr_upscaler="Latent", hr_second_pass_steps=3, hr_prompt="x")
    keys = list(read.pairs(reply))
    expected = ["Denoising strength", "Hires prompt", "Hires upscale", "Hires steps", "Hires upscaler"]
    assert [key for key in keys if key in expected] == expected


def test_a_batch_and_its_pictures_alone(server: Any, read: Any) -> None:
    batch = server.txt2img(**HIRES, batch_size=2, seed=5)
    alone = server.txt2img(**HIRES, seed=6)
    assert abs(read.pixels(batch, 1) - read.pixels(alone)).max() <= 2


def test_timestep_samplers_have_a_second_pass_too(server: Any, read: Any) -> None:
    reply = server.txt2img(**HIRES, sampler_name="DDIM", steps=4)
    assert read.image(reply).size == (96, 96)
    assert read.pixels(reply).std() > 0


@pytest.mark.parametrize("strength", [0.0, 1.0, 3.0])
def test_strengths_at_and_beyond_the_ends(server: Any, read: Any, strength: float) -> None:
    reply = server.txt2img(**(HIRES | {"denoising_strength": strength}))
    assert read.image(reply).size == (96, 96)
    assert read.pairs(reply)["Denoising strength"] == str(strength)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("hr_upscaler", "could not find upscaler named nobody"),
        ("hr_sampler_name", "bad sampler name: nobody"),
        ("hr_checkpoint_name", "Could not find checkpoint with name nobody"),
    ],
)
def test_unknown_names_are_the_original_errors(server: Any, field: str, message: str) -> None:
    body = {"prompt": "x", "steps": 1, "width": 64, "height": 64, **HIRES, field: "nobody"}
    reply = server.post("/sdapi/v1/txt2img", body)
    assert reply.status_code == 500
    assert reply.json()["errors"] == message


@pytest.mark.parametrize("fields", [{"denoising_strength": None}, {"hr_scale": 500}, {"hr_scale": 0}])
def test_a_second_pass_that_cannot_be_is_refused(server: Any, fields: dict[str, Any]) -> None:
    reply = server.post("/sdapi/v1/txt2img", {"width": 64, "height": 64, "steps": 1, **HIRES, **fields})
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"] == ["body", next(iter(fields))]


def test_firstphase_sets_the_size(server: Any, read: Any) -> None:
    reply = server.txt2img(width=128, height=128, firstphase_width=64, firstphase_height=72)
    assert read.image(reply).size == (64, 72)


def test_the_checkpoint_may_be_named(server: Any, read: Any) -> None:
    name = server.get("/sdapi/v1/sd-models").json()[0]["model_name"]
    reply = server.txt2img(**HIRES, hr_checkpoint_name=name)
    assert name in read.pairs(reply)["Hires checkpoint"]
    assert read.difference(reply, server.txt2img(**HIRES)) == 0
