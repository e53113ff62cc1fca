"""What infotexts mean, against answers of the real server and rule by rule."""

from __future__ import annotations

import time
from typing import Any

import pytest

from sdapi_compat.metadata.parameters import ParseRules, parameters
from sdapi_compat.metadata.styles import style_extractor
from sdapi_compat.prompt import attention
from sdapi_compat.prompt.styles import Style

RULES = ParseRules(attention=attention.parse)
PAIRS = "Steps: 6, Sampler: Euler, Seed: 1"

# /sdapi/v1/png-info of A1111 1.10.1 for a picture without metadata.
NOTHING: dict[str, object] = {
    "Prompt": "",
    "Negative prompt": "",
    "Clip skip": "1",
    "Hires resize-1": 0,
    "Hires resize-2": 0,
    "Hires sampler": "Use same sampler",
    "Hires schedule type": "Use same scheduler",
    "Hires checkpoint": "Use same checkpoint",
    "Hires prompt": "",
    "Hires negative prompt": "",
    "Mask mode": "Inpaint masked",
    "Masked content": "original",
    "Inpaint area": "Whole picture",
    "Masked area padding": 32,
    "RNG": "GPU",
    "Schedule type": "Automatic",
    "Schedule max sigma": 0,
    "Schedule min sigma": 0,
    "Schedule rho": 0,
    "VAE Encoder": "Full",
    "VAE Decoder": "Full",
    "FP8 weight": "Disable",
    "Refiner switch by sampling steps": False,
}


def read(pairs: str, prompt: str = "a cat", /, **options: Any) -> dict[str, object]:
    return parameters(f"{prompt}\n{PAIRS}, {pairs}", ParseRules(attention=attention.parse, **options))


def test_no_text_gives_the_defaults_in_the_original_order() -> None:
    found = parameters("", RULES)
    assert found == NOTHING
    assert list(found) == list(NOTHING)


def test_a_real_text() -> None:
    found = parameters(
        "a red apple on a wooden table, oil painting\nNegative prompt: blurry\nSteps: 8, Sampler: Euler, "
        "Schedule type: Automatic, CFG scale: 7.0, Seed: 1234, Size: 64x64, Model hash: 9772f43a29, "
        "Model: tinysd, Denoising strength: 0.75, RNG: CPU, Mask blur: 4, Inpaint area: Only masked, "
        "Masked area padding: 8, Version: v1.10.1",
        RULES,
    )
    own = {
        "Steps": "8",
        "Sampler": "Euler",
        "Schedule type": "Automatic",
        "CFG scale": "7.0",
        "Seed": "1234",
        "Size-1": "64",
        "Size-2": "64",
        "Model hash": "9772f43a29",
        "Model": "tinysd",
        "Denoising strength": "0.75",
        "RNG": "CPU",
        "Mask blur": "4",
        "Inpaint area": "Only masked",
        "Masked area padding": "8",
        "Version": "v1.10.1",
    }
    prompts = {"Prompt": "a red apple on a wooden table, oil painting", "Negative prompt": "blurry"}
    assert found == NOTHING | own | prompts
    assert list(found) == [*own, *prompts, *(key for key in NOTHING if key not in own and key not in prompts)]


def test_a_hypernetwork_of_old_becomes_a_tag() -> None:
    assert read("Hypernet: anime")["Prompt"] == "a cat<hypernet:anime:1.0>"
    assert read("Hypernet: anime, Hypernet strength: 0.5")["Prompt"] == "a cat<hypernet:anime:0.5>"


def test_fp8_brings_its_cache_flag() -> None:
    assert "Cache FP16 weight for LoRA" not in read("FP8 weight: Disable")
    assert read("FP8 weight: Enable")["Cache FP16 weight for LoRA"] is False
    assert (
        read("FP8 weight: Enable, Cache FP16 weight for LoRA: True")["Cache FP16 weight for LoRA"] == "True"
    )


@pytest.mark.parametrize(
    ("prompt", "emphasised"),
    [
        ("a cat", False),
        ("a (cat)", True),
        ("a [cat]", True),
        (r"a \(cat\)", False),
        ("(cat:1.0)", False),
        ("a cat BREAK a dog", False),
        ("a cat\nNegative prompt: (dog:1.3)", True),
        # The original answers 500 to this one.
        ("a (cat:1.2.3)", True),
    ],
)
def test_emphasis_is_noted_when_the_prompts_use_it(prompt: str, emphasised: bool) -> None:
    found = read("Ab: 1", prompt)
    assert found.get("Emphasis") == ("Original" if emphasised else None)


def test_emphasis_of_the_text_is_kept() -> None:
    assert read("Emphasis: No norm", "(cat:2)")["Emphasis"] == "No norm"


def sizes(found: dict[str, object]) -> list[object]:
    return [found.get(key) for key in ("Size-1", "Size-2", "Hires resize-1", "Hires resize-2")]


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ("Size: 1024x768", ["1024", "768", 0, 0]),
        ("Size: 1024x768, First pass size: 512x384", [512, 384, 1024, 768]),
        ("Size: 1024x768, First pass size: 0x0", [640, 448, 1024, 768]),
        ("Size: 1920x1080, First pass size: 0x512", [704, 384, 1920, 1080]),
        ("First pass size: 256x256", [256, 256, 512, 512]),
        ("First pass size: none, Size: 64x64", ["64", "64", 0, 0]),
        ("First pass size: 0x0, Size: 0x64", ["0", "64", 0, 0]),
        (f"First pass size: 0x0, Size: {'9' * 5000}x64", ["9" * 5000, "64", 0, 0]),
    ],
)
def test_old_hires_sizes(pairs: str, expected: list[object]) -> None:
    assert sizes(read(pairs)) == expected


def test_final_sizes_stay_final_where_the_option_says_so() -> None:
    final: dict[str, Any] = {"use_old_hires_fix_width_height": True}
    assert sizes(read("Size: 64x64, Hires resize: 128x96", **final)) == [128, 96, "128", "96"]
    assert sizes(read("Size: 64x64", **final)) == ["64", "64", 0, 0]
    assert sizes(read("Size: 64x64, First pass size: 32x32", **final)) == [32, 32, 64, 64]


BACK_COMPAT = ("Old prompt editing timelines", "Pad conds v0", "Downcast alphas_cumprod")


@pytest.mark.parametrize(
    ("version", "flags", "refiner_by_steps"),
    [
        ("v1.5.2", [True, True, True], True),
        ("v1.6.0", [None, None, True], True),
        ("v1.7.0-224-gabc", [None, None, True], True),
        ("v1.7.0-225-gabc", [None, None, None], True),
        ("v1.8.0", [None, None, None], False),
        ("v1.10.1", [None, None, None], False),
        ("a fork", [None, None, None], False),
    ],
)
def test_old_versions_ask_for_their_old_behaviour(
    version: str, flags: list[bool | None], refiner_by_steps: bool
) -> None:
    text = f"a [cat:dog:5]\nSteps: 6, Sampler: DDIM, Refiner: xl, Version: {version}"
    found = parameters(text, RULES)
    assert [found.get(key) for key in BACK_COMPAT] == flags
    assert found["Refiner switch by sampling steps"] is refiner_by_steps
    found = parameters(text, ParseRules(attention=attention.parse, auto_backcompat=False))
    assert [found.get(key) for key in BACK_COMPAT] == [None] * 3
    assert found["Refiner switch by sampling steps"] is False


def test_old_behaviour_only_where_it_matters() -> None:
    found = read("Version: v1.5.2")
    assert [found.get(key) for key in BACK_COMPAT] == [None, None, True]
    assert found["Refiner switch by sampling steps"] is False
    assert read("Sampler: PLMS, Version: v1.5.2")["Pad conds v0"] is True


def test_no_version_asks_for_nothing() -> None:
    assert [read("Sampler: DDIM", "[a:b:1]").get(key) for key in BACK_COMPAT] == [None] * 3


def test_skipped_keys_are_removed_last() -> None:
    found = read("Size: 1x2", infotext_skip_pasting=["Seed", "Size-1", "Clip skip", "Prompt", "not there"])
    assert not {"Seed", "Size-1", "Clip skip", "Prompt"} & set(found)
    assert found["Size-2"] == "2"


STYLES = style_extractor([Style("photo", "sharp", ""), Style("film", "{prompt}, 35mm", "drawing")])


@pytest.mark.parametrize(
    ("mode", "prompt", "names"),
    [
        ("Apply if any", "a cat", ["photo"]),
        ("Apply", "a cat", ["photo"]),
        ("Discard", "a cat", None),
        ("Ignore", "a cat, sharp", None),
    ],
)
def test_styles_are_taken_out(mode: str, prompt: str, names: list[str] | None) -> None:
    found = read("Ab: 1", "a cat, sharp", styles=STYLES, infotext_styles=mode)
    assert (found["Prompt"], found.get("Styles array")) == (prompt, names)


@pytest.mark.parametrize(("mode", "names"), [("Apply if any", None), ("Apply", []), ("Discard", None)])
def test_no_styles_found(mode: str, names: list[str] | None) -> None:
    found = read("Ab: 1", "a (sharp) cat", styles=STYLES, infotext_styles=mode)
    assert (found["Prompt"], found.get("Styles array")) == ("a (sharp) cat", names)


def test_the_styles_array_stands_before_the_prompt() -> None:
    keys = list(read("Version: v1.10.1", "a cat, sharp", styles=STYLES))
    assert keys[3:6] == ["Version", "Styles array", "Prompt"]


def test_emphasis_of_a_style_that_was_taken_out_does_not_count() -> None:
    extract = style_extractor([Style("loud", "(very loud:1.4)", "")])
    assert "Emphasis" not in read("Ab: 1", "a cat, (very loud:1.4)", styles=extract)


def hires(prompt: str, hires_prompt: str, version: str = "v1.10.1") -> tuple[object, object, object]:
    found = read(f'Hires prompt: "{hires_prompt}", Version: {version}', prompt, styles=STYLES)
    return found["Prompt"], found["Hires prompt"], found.get("Styles array")


def test_styles_are_taken_out_of_hires_prompts_too() -> None:
    assert hires("a cat, sharp", "a dog, sharp") == ("a cat", "a dog", ["photo"])


def test_a_hires_prompt_equal_to_the_prompt_becomes_empty() -> None:
    assert hires("a cat, sharp", "a cat, sharp") == ("a cat", "", ["photo"])
    assert hires("a, cat", "a, cat") == ("a, cat", "", None)


def test_different_styles_in_the_hires_prompt_keep_all_prompts_whole() -> None:
    assert hires("a cat, sharp", "a dog, blunt") == ("a cat, sharp", "a dog, blunt", None)


def test_before_1_8_0_139_hires_prompts_had_no_styles() -> None:
    assert hires("a cat, sharp", "a dog, blunt", "v1.8.0-139-gabc") == ("a cat", "a dog, blunt", ["photo"])
    assert hires("a cat, sharp", "a dog, sharp", "v1.8.0-140-gabc") == ("a cat", "a dog", ["photo"])
    assert hires("a cat, sharp", "a dog, sharp", "a fork") == ("a cat", "a dog", ["photo"])


def test_a_hires_negative_prompt_alone_takes_part_as_well() -> None:
    found = read("Hires negative prompt: drawing", "a cat, 35mm\nNegative prompt: drawing", styles=STYLES)
    assert (found["Prompt"], found["Negative prompt"]) == ("a cat", "")
    assert (found["Hires prompt"], found["Hires negative prompt"]) == ("", "")


def test_a_megabyte_of_prompt() -> None:
    text = "word, " * 160_000
    started = time.process_time()
    found = read("Version: v1.5", text, styles=STYLES)
    assert time.process_time() - started < 5
    assert found["Prompt"] == text.strip()
