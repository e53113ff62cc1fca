"""Infotext pairs that only the run knows, in the order in which the original comes upon them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sdapi_compat.prompt.emphasis import Emphasis
from sdapi_compat.prompt.extra_networks import extract
from sdapi_compat.prompt.schedules import old_differs
from sdapi_compat.sampling.table import SAMPLER_BY_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sdapi_compat.engine.batch import Pass
    from sdapi_compat.engine.conditioning import Conditioning
    from sdapi_compat.plan.plan import ScheduleRules, TextRules

ZERO_SNR = "Zero Terminal SNR"
LORA_HASHES, EMBEDDING_HASHES = "Lora hashes", "TI hashes"


def joined(one: str, other: str) -> str:
    """Two lists "name: hash, ..." as one, nothing twice."""
    return ", ".join(dict.fromkeys(pair for text in (one, other) if text for pair in text.split(", ")))


def of_texts(
    one: Pass, rules: TextRules, conditioning: Conditioning, embedding_hashes: str | None
) -> dict[str, Any]:
    """What encoding a pass's prompts tells.

    A1111 1.10.1 behaviour: the old timelines are named where they make a difference, the hires pass included;
    the emphasis mode where an encoded text has a bracket, but not with the old emphasis.
    """
    found: dict[str, Any] = {}
    texts = [*(extract(prompt)[0] for prompt in one.prompts.positive), *one.prompts.negative]
    if rules.old_scheduling and any(old_differs(text, one.steps) for text in dict.fromkeys(texts)):
        found["Old prompt editing timelines"] = True
    if embedding_hashes:
        found[EMBEDDING_HASHES] = embedding_hashes
    if rules.emphasis != Emphasis.ORIGINAL.value and not rules.old_emphasis and conditioning.has_brackets:
        found["Emphasis"] = rules.emphasis
    return found


def of_sampling(one: Pass, schedule: ScheduleRules, levels: Mapping[str, Any]) -> dict[str, Any]:
    """What a pass's sampler is told. `levels`: the pairs about its noise levels."""
    found: dict[str, Any] = {}
    if schedule.downcast:
        found["Downcast alphas_cumprod"] = True
    if schedule.zero_terminal_snr:
        found["Noise Schedule"] = ZERO_SNR
    if one.noise_multiplier != 1.0:
        found["Noise multiplier"] = one.noise_multiplier
    found |= levels
    from_noise = one.sampler.t_enc is None
    family = SAMPLER_BY_NAME[one.sampler.recipe.sampler].family
    if one.sampler.sgm_noise_multiplier and from_noise and family != "timestep":
        found["SGM noise multiplier"] = True
    if one.extra_noise > 0 and not from_noise:
        found["Extra noise"] = one.extra_noise
    return found | one.sampler.infotext
