"""Parameters as request fields."""

from __future__ import annotations

import pytest

from sdapi_compat.errors import Fault
from sdapi_compat.metadata.fields import Kind, request_fields
from sdapi_compat.metadata.parameters import ParseRules, parameters
from sdapi_compat.prompt import attention
from sdapi_compat.sampling.table import normalise


def resolve(sampler: str | None, scheduler: str | None) -> tuple[str, str]:
    return normalise(sampler, scheduler, fold_default=True)


def fields(text: str, kind: Kind = "txt2img") -> dict[str, object]:
    return request_fields(parameters(text, ParseRules(attention=attention.parse)), kind, resolve)


REAL = (
    "a red apple on a wooden table, oil painting\nNegative prompt: blurry\nSteps: 5, Sampler: Euler, "
    "Schedule type: Automatic, CFG scale: 7.0, Seed: 1234, Size: 96x64, Model hash: 9772f43a29, "
    "Model: tinysd, Variation seed: 99, Variation seed strength: 0.3, Seed resize from: 48x32, "
    "Denoising strength: 0.6, RNG: CPU, Hires sampler: DPM++ 2M, Hires prompt: a blue car in the snow, "
    "Hires negative prompt: dark, Hires schedule type: Karras, Hires upscale: 1.5, Hires steps: 4, "
    "Hires upscaler: Lanczos, Refiner: tinysd-b [dfe6770b70], Refiner switch at: 0.5, Version: v1.10.1"
)
FROM_SCRIPTS = {
    "sampler_name": "Euler",
    "scheduler": "Automatic",
    "steps": 5,
    "seed": 1234,
    "subseed": 99,
    "subseed_strength": 0.3,
    "seed_resize_from_h": 48,
    "seed_resize_from_w": 32,
    "refiner_checkpoint": "tinysd-b [dfe6770b70]",
    "refiner_switch_at": 0.5,
}


def test_txt2img_takes_everything() -> None:
    found = fields(REAL)
    assert found == FROM_SCRIPTS | {
        "prompt": "a red apple on a wooden table, oil painting",
        "negative_prompt": "blurry",
        "cfg_scale": 7.0,
        "width": 96,
        "height": 64,
        "denoising_strength": 0.6,
        "enable_hr": True,
        "hr_scale": 1.5,
        "hr_upscaler": "Lanczos",
        "hr_second_pass_steps": 4,
        "hr_resize_x": 0,
        "hr_resize_y": 0,
        "hr_checkpoint_name": "Use same checkpoint",
        "hr_sampler_name": "DPM++ 2M",
        # Karras is the default of DPM++ 2M, so it reads Automatic, which is what the first pass has.
        "hr_scheduler": "Use same scheduler",
        "hr_prompt": "a blue car in the snow",
        "hr_negative_prompt": "dark",
    }
    assert all(type(found[key]) is int for key in ("width", "seed", "hr_resize_x", "steps"))
    assert type(found["cfg_scale"]) is float


def test_img2img_takes_only_what_built_in_scripts_take() -> None:
    assert fields(REAL, "img2img") == FROM_SCRIPTS


def test_an_empty_text_sets_defaults_and_nothing_else() -> None:
    assert fields("") == {
        "prompt": "",
        "negative_prompt": "",
        "enable_hr": False,
        "hr_resize_x": 0,
        "hr_resize_y": 0,
        "hr_checkpoint_name": "Use same checkpoint",
        "hr_prompt": "",
        "hr_negative_prompt": "",
        "hr_sampler_name": "DPM++ 2M",
        "hr_scheduler": "Use same scheduler",
        "sampler_name": "DPM++ 2M",
        "scheduler": "Automatic",
    }


@pytest.mark.parametrize(
    ("pairs", "first", "second"),
    [
        ("Sampler: Euler", ("Euler", "Automatic"), ("Use same sampler", "Use same scheduler")),
        ("Sampler: DPM++ 2M Karras", ("DPM++ 2M", "Automatic"), ("DPM++ 2M", "Use same scheduler")),
        ("Sampler: Euler Karras", ("Euler", "Karras"), ("Euler", "Karras")),
        (
            "Sampler: Euler, Schedule type: Karras, Hires sampler: Heun",
            ("Euler", "Karras"),
            ("Heun", "Use same scheduler"),
        ),
        (
            "Sampler: Euler, Hires schedule type: Beta",
            ("Euler", "Automatic"),
            ("Use same sampler", "Beta"),
        ),
        (
            "Sampler: Euler, Hires sampler: Euler, Hires schedule type: Automatic",
            ("Euler", "Automatic"),
            ("Use same sampler", "Use same scheduler"),
        ),
    ],
)
def test_samplers(pairs: str, first: tuple[str, str], second: tuple[str, str]) -> None:
    found = fields(f"a\nSteps: 1, Seed: 2, {pairs}")
    assert (found["sampler_name"], found["scheduler"]) == first
    assert (found["hr_sampler_name"], found["hr_scheduler"]) == second


def test_a_denoising_strength_turns_the_second_pass_on() -> None:
    assert fields("a\nSteps: 1, Seed: 2, Denoising strength: 0.5")["enable_hr"] is True
    assert fields("a\nSteps: 1, Seed: 2, Hires upscale: 2")["enable_hr"] is False


def test_styles_and_batch_size() -> None:
    given: dict[str, object] = {"Prompt": "a", "Styles array": ["x", "y"], "Batch size": "3"}
    found = request_fields(given, "txt2img", resolve)
    assert (found["styles"], found["batch_size"]) == (["x", "y"], 3)
    given["Styles array"] = "x"
    assert "styles" not in request_fields(given, "txt2img", resolve)


def test_skipped_parameters_set_nothing() -> None:
    rules = ParseRules(attention=attention.parse, infotext_skip_pasting=["Seed", "Prompt", "Hires resize-1"])
    found = request_fields(parameters(REAL, rules), "txt2img", resolve)
    assert not {"seed", "prompt", "hr_resize_x"} & set(found)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ("Steps: many", "invalid literal for int() with base 10: 'many'"),
        ("Steps: 7.5", "invalid literal for int() with base 10: '7.5'"),
        ("Steps: ,CFG scale: high", "could not convert string to float: 'high'"),
        ("CFG scale: nan", "Out of range float values are not JSON compliant"),
        ("CFG scale: 1e999", "Out of range float values are not JSON compliant"),
    ],
)
def test_what_is_no_number_is_refused(pairs: str, message: str) -> None:
    with pytest.raises(Fault) as caught:
        fields(f"a\nSeed: 1, Sampler: Euler, Ab: 1, {pairs}")
    assert (caught.value.name, caught.value.message) == ("ValueError", message)


def test_a_number_of_thousands_of_digits_is_refused() -> None:
    with pytest.raises(Fault):
        fields(f"a\nSampler: Euler, Ab: 1, Seed: {'1' * 10_000}")


def test_the_message_about_a_long_value_is_short() -> None:
    with pytest.raises(Fault) as caught:
        fields(f"a\nSampler: Euler, Ab: 1, CFG scale: {'x' * 10_000}")
    assert len(caught.value.message) <= 200
