"""What a pass tells the infotext."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sdapi_compat.engine import notes
from sdapi_compat.engine.batch import Pass
from sdapi_compat.engine.conditioning import Conditioning, Part, Scheduled
from sdapi_compat.engine.pictures import Prepared
from sdapi_compat.plan.plan import Prompts, SamplerRules, ScheduleRules, TextRules
from sdapi_compat.prompt.schedules import ScheduledText, ScheduleSteps
from sdapi_compat.sampling.recipe import Churn, SigmaRecipe, UniPCSettings

PLAIN = ScheduleRules(downcast=False, zero_terminal_snr=False, quantize=False)
BENT = ScheduleRules(downcast=True, zero_terminal_snr=True, quantize=False)


def sampler(name: str, t_enc: int | None, infotext: dict[str, float]) -> SamplerRules:
    recipe = SigmaRecipe(
        sampler=name,
        scheduler="Automatic",
        steps=4,
        sigma_min=0.0,
        sigma_max=0.0,
        rho=0.0,
        use_old_karras_scheduler_sigmas=False,
        always_discard_next_to_last_sigma=False,
        beta_dist_alpha=0.6,
        beta_dist_beta=0.6,
    )
    return SamplerRules(
        recipe=recipe,
        t_enc=t_enc,
        eta=1.0,
        churn=Churn(),
        infotext=infotext,
        unipc=UniPCSettings(variant="bh1", skip_type="time_uniform", order=3, lower_order_final=True),
        sgm_noise_multiplier=True,
        batch_determinism=True,
    )


def one_pass(*, name: str = "Euler", t_enc: int | None = None, **changes: Any) -> Pass:
    fields: dict[str, Any] = {
        "facts": None,
        "prompts": Prompts(("a cat",), ("",)),
        "sampler": sampler(name, t_enc, {"Eta": 0.5}),
        "steps": ScheduleSteps(4, old=True),
        "cells": (8, 8),
        "source": Prepared(None, None, None),
    }
    return Pass(**fields | changes)


def text_rules(**changes: Any) -> TextRules:
    fields: dict[str, Any] = {
        "clip_skip": 1,
        "emphasis": "Original",
        "old_emphasis": False,
        "comma_backtrack": 20,
        "old_scheduling": False,
        "pad_cond_uncond": False,
        "pad_cond_uncond_v0": False,
    }
    return TextRules(**fields | changes)


def encoded(*texts: str) -> Conditioning:
    schedule = [ScheduledText(place + 1, text) for place, text in enumerate(texts)]
    return Conditioning([[Part(1.0, Scheduled(schedule, torch.zeros(1, 77, 1), ()))]], [], None)


@pytest.mark.parametrize(
    ("prompt", "steps", "told"),
    [
        ("a cat", ScheduleSteps(4), False),
        ("a [cat:dog:2]", ScheduleSteps(4), False),
        ("a [cat:dog:0.5]", ScheduleSteps(4), False),
        ("a [cat:dog:1.0]", ScheduleSteps(4), True),
        ("a cat AND [cat:dog:1.0]", ScheduleSteps(4), True),
        ("a <lora:[cat:dog:1.0]>", ScheduleSteps(4), False),
        # The old mode counts the hires pass by the first one's calls.
        ("a cat", ScheduleSteps(4, 6), True),
        ("a cat", ScheduleSteps(4, 4), False),
        ("a [cat:dog:5]", ScheduleSteps(4, 4), True),
    ],
)
def test_old_timelines_are_told_where_they_differ(prompt: str, steps: ScheduleSteps, told: bool) -> None:
    asked = one_pass(prompts=Prompts((prompt,), ("",)), steps=steps._replace(old=True))
    found = notes.of_texts(asked, text_rules(old_scheduling=True), encoded(""), None)
    assert found == ({"Old prompt editing timelines": True} if told else {})
    negative = one_pass(prompts=Prompts(("",), (prompt.replace("<lora:[cat:dog:1.0]>", ""),)), steps=steps)
    assert bool(notes.of_texts(negative, text_rules(old_scheduling=True), encoded(""), None)) == told
    assert notes.of_texts(asked, text_rules(), encoded(""), None) == {}


@pytest.mark.parametrize(
    ("texts", "changes", "told"),
    [
        (("a cat",), {"emphasis": "No norm"}, None),
        (("a (cat)",), {"emphasis": "No norm"}, "No norm"),
        (("a cat", "a [cat]"), {"emphasis": "None"}, "None"),
        (("a (cat)",), {"emphasis": "Whatever"}, "Whatever"),
        (("a (cat)",), {}, None),
        (("a (cat)",), {"emphasis": "No norm", "old_emphasis": True}, None),
    ],
)
def test_emphasis_is_told_where_brackets_are_encoded(
    texts: tuple[str, ...], changes: dict[str, Any], told: str | None
) -> None:
    found = notes.of_texts(one_pass(), text_rules(**changes), encoded(*texts), None)
    assert found == ({} if told is None else {"Emphasis": told})


def test_pairs_about_texts_come_in_the_originals_order() -> None:
    asked = one_pass(prompts=Prompts(("([a:b:1.0])",), ("",)))
    rules = text_rules(old_scheduling=True, emphasis="No norm")
    found = notes.of_texts(asked, rules, encoded("(a)"), "x: 123")
    assert list(found.items()) == [
        ("Old prompt editing timelines", True),
        ("TI hashes", "x: 123"),
        ("Emphasis", "No norm"),
    ]


def test_pairs_about_sampling_come_in_the_originals_order() -> None:
    levels = {"Schedule min sigma": 0.1}
    txt2img = notes.of_sampling(one_pass(), BENT, levels)
    assert list(txt2img.items()) == [
        ("Downcast alphas_cumprod", True),
        ("Noise Schedule", "Zero Terminal SNR"),
        ("Schedule min sigma", 0.1),
        ("SGM noise multiplier", True),
        ("Eta", 0.5),
    ]
    img2img = notes.of_sampling(one_pass(t_enc=2, noise_multiplier=0.8, extra_noise=0.3), PLAIN, levels)
    assert list(img2img.items()) == [
        ("Noise multiplier", 0.8),
        ("Schedule min sigma", 0.1),
        ("Extra noise", 0.3),
        ("Eta", 0.5),
    ]


@pytest.mark.parametrize(
    ("name", "told"), [("Euler", True), ("LCM", True), ("DDIM", False), ("UniPC", False)]
)
def test_the_factor_of_sgm_is_told_where_it_acts(name: str, told: bool) -> None:
    assert ("SGM noise multiplier" in notes.of_sampling(one_pass(name=name), PLAIN, {})) == told


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("", "", ""),
        ("a: 1", "", "a: 1"),
        ("", "a: 1, b: 2", "a: 1, b: 2"),
        ("c: 3, a: 1", "a: 1, b: 2", "c: 3, a: 1, b: 2"),
    ],
)
def test_joining_lists_of_hashes(one: str, other: str, expected: str) -> None:
    assert notes.joined(one, other) == expected
