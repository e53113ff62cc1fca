"""What no golden request shows, by the same models: what must be equal to what, and what must be said."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Ask = Callable[..., dict[str, Any]]
TEXT = {
    "prompt": "a red apple on a wooden table, oil painting",
    "negative_prompt": "blurry",
    "seed": 1234,
    "steps": 4,
    "width": 64,
    "height": 64,
    "sampler_name": "Euler",
}
PICTURE = TEXT | {"init_images": ["S64.png"]}
SECOND_PASS = TEXT | {"enable_hr": True, "denoising_strength": 0.6, "hr_second_pass_steps": 2}
EDIT = {"override_settings": {"sd_model_checkpoint": "tinysd-ip2p"}, "image_cfg_scale": 1.5}


@pytest.fixture(scope="module")
def ask(golden_server: Any, with_pictures: Callable[[dict[str, Any]], dict[str, Any]]) -> Ask:
    """Send a request, pictures named; the reply's JSON."""

    def send(fields: dict[str, Any], **more: Any) -> dict[str, Any]:
        sent = with_pictures(fields | more)
        route = "img2img" if "init_images" in sent else "txt2img"
        reply = golden_server.post(f"/sdapi/v1/{route}", sent)
        assert reply.status_code == 200, reply.text
        return dict(reply.json())

    return send


def infotext(reply: dict[str, Any]) -> str:
    return str(json.loads(reply["info"])["infotexts"][0])


def pixels(reply: dict[str, Any], pictures: Any, number: int = 0) -> Any:
    return np.asarray(pictures.decode(reply["images"][number])).astype(int)


@pytest.mark.parametrize(
    ("fields", "noted"),
    [
        ({"sampler_name": "DPM++ 2M"}, None),
        ({"sampler_name": "DPM++ 2M", "scheduler": "Karras", "hr_scheduler": "Automatic"}, None),
        ({"sampler_name": "DPM++ 2M", "hr_scheduler": "Exponential"}, "Exponential"),
        ({"hr_scheduler": "Karras"}, "Karras"),
    ],
)
def test_the_schedule_of_the_second_pass_is_named_where_it_is_another(
    ask: Ask, fields: dict[str, Any], noted: str | None
) -> None:
    text = infotext(ask(SECOND_PASS, **fields))
    assert ("Hires schedule type" in text) == (noted is not None)
    assert noted is None or f"Hires schedule type: {noted}, Hires upscale: 2.0" in text


def test_a_refiner_of_the_second_pass_says_so_first(ask: Ask) -> None:
    reply = ask(
        SECOND_PASS,
        refiner_checkpoint="tinysd-b",
        refiner_switch_at=0.5,
        override_settings={"hires_fix_refiner_pass": "both passes"},
    )
    wanted = "Hires refiner: both passes, Refiner: tinysd-b [dfe6770b70], Refiner switch at: 0.5"
    assert wanted in infotext(reply)


def test_all_batches_of_img2img_begin_with_the_same_latents(ask: Ask, pictures: Any) -> None:
    """At strength 0 the picture is what it began with: here noise under the mask, of the first seed only."""
    fields = {"mask": "M64.png", "inpainting_fill": 2, "inpaint_full_res": False, "denoising_strength": 0.0}
    reply = ask(PICTURE, n_iter=2, **fields)
    first, second = (pixels(reply, pictures, number) for number in (0, 1))
    other = pixels(ask(PICTURE, **fields, seed=1235), pictures)
    assert np.abs(first - second).mean() < 1
    assert np.abs(first - other).mean() > 4


def test_an_edit_model_takes_prompts_of_different_lengths(ask: Ask, pictures: Any) -> None:
    long = ", ".join(f"word{number} of a red apple" for number in range(25))
    told, untold = ask(PICTURE, **EDIT, prompt=long), ask(PICTURE, **EDIT, negative_prompt=long)
    assert np.abs(pixels(told, pictures) - pixels(untold, pictures)).mean() > 1


@pytest.mark.parametrize("options", [{}, {"sd_noise_schedule": "Zero Terminal SNR"}])
def test_img2img_does_not_depend_on_what_ran_before(ask: Ask, options: dict[str, Any]) -> None:
    """In the original it does: the encoder's noise and, in img2img, the noise schedule are left over."""
    before = ask(PICTURE, override_settings=options)["images"]
    ask(TEXT, seed=99, sampler_name="Euler a", batch_size=2, override_settings={"randn_source": "NV"})
    assert ask(PICTURE, override_settings=options)["images"] == before


def test_the_last_words_of_a_sampler_name_are_its_schedule(ask: Ask) -> None:
    apart = ask(TEXT, sampler_name="DPM++ 2M", scheduler="Exponential")
    assert ask(TEXT, sampler_name="DPM++ 2M Exponential")["images"] == apart["images"]


@pytest.mark.parametrize("upscaler", ["Latent", "Lanczos"])
def test_an_inpainting_model_sees_of_the_first_pass_what_the_weight_leaves(
    ask: Ask, pictures: Any, upscaler: str
) -> None:
    model = {"sd_model_checkpoint": "tinysd-inpainting"}
    full, half = (
        ask(SECOND_PASS, hr_upscaler=upscaler, override_settings=model | {"inpainting_mask_weight": weight})
        for weight in (1.0, 0.5)
    )
    assert np.abs(pixels(full, pictures) - pixels(half, pictures)).max() > 2
    assert "Conditional mask weight: 0.5" in infotext(half)


def test_what_the_refiner_waits_for_is_told_without_a_refiner(ask: Ask, pictures: Any) -> None:
    by_steps = {"override_settings": {"refiner_switch_by_sample_steps": True}}
    plain, told = ask(TEXT), ask(TEXT, **by_steps)
    assert np.abs(pixels(plain, pictures) - pixels(told, pictures)).max() == 0
    assert ", Refiner switch by sampling steps: True, Version" in infotext(told)
    assert "Refiner switch" not in infotext(plain)
    second = infotext(ask(SECOND_PASS, **by_steps))
    assert second.count("Refiner switch by sampling steps") == 1


def test_shares_of_calls_are_of_those_that_img2img_makes(ask: Ask, pictures: Any) -> None:
    """Eight steps at half strength are five calls, which begin at shares 0, 0.2, 0.4, 0.6 and 0.8."""
    shares = (0.35, 0.45, 0.5)
    made = [
        pixels(
            ask(PICTURE, steps=8, denoising_strength=0.5, override_settings={"skip_early_cond": share}),
            pictures,
        )
        for share in shares
    ]
    assert np.abs(made[0] - made[1]).max() > 0
    assert np.abs(made[1] - made[2]).max() == 0


def test_a_plain_checkpoint_refines_what_an_inpainting_model_began(ask: Ask, pictures: Any) -> None:
    model = {"override_settings": {"sd_model_checkpoint": "tinysd-inpainting"}}
    refined = ask(TEXT, **model, refiner_checkpoint="tinysd-b", refiner_switch_at=0.5)
    assert "Refiner: tinysd-b" in infotext(refined)
    assert np.abs(pixels(refined, pictures) - pixels(ask(TEXT, **model), pictures)).max() > 2
