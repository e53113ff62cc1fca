from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from sdapi_compat.sampling import guidance
from sdapi_compat.sampling.noise_schedule import LCMSchedule, NoiseSchedule


@dataclass(frozen=True)
class Rules:
    skip_early: float = 0.0
    s_min_uncond: float = 0.0
    s_min_uncond_all: bool = False


def rows(n: int, seed: int) -> Tensor:
    return torch.randn(n, 4, 2, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_one_prompt_per_image_is_classifier_free_guidance() -> None:
    cond, uncond = rows(2, 1), rows(2, 2)
    result = guidance.combine(cond, uncond, [0, 1], [1.0, 1.0], 7.0)
    assert torch.allclose(result, uncond + 7 * (cond - uncond))


def test_parts_add_up_by_weight() -> None:
    cond, uncond = rows(3, 1), rows(2, 2)
    result = guidance.combine(cond, uncond, [0, 1, 0], [1.0, 1.0, -0.4], 5.0)
    assert torch.allclose(result[0], uncond[0] + 5 * (cond[0] - uncond[0]) + 5 * -0.4 * (cond[2] - uncond[0]))
    assert torch.allclose(result[1], uncond[1] + 5 * (cond[1] - uncond[1]))


def test_images_in_another_order() -> None:
    cond, uncond = rows(2, 1), rows(2, 2)
    swapped = guidance.combine(cond.flip(0), uncond, [1, 0], [0.5, 2.0], 7.0)
    assert torch.allclose(swapped[0], uncond[0] + 7 * 2.0 * (cond[0] - uncond[0]))
    assert torch.allclose(swapped[1], uncond[1] + 7 * 0.5 * (cond[1] - uncond[1]))


def test_every_row_needs_an_owner() -> None:
    with pytest.raises(ValueError, match="zip"):
        guidance.combine(rows(3, 1), rows(2, 2), [0, 1], [1.0, 0.5], 7.0)


def test_scale_one_of_a_single_prompt_is_the_prompt() -> None:
    cond, uncond = rows(1, 1), rows(1, 2)
    assert torch.allclose(guidance.combine(cond, uncond, [0], [1.0], 1.0), cond)


def test_the_first_part_can_stand_in_for_the_unconditional_side() -> None:
    cond = rows(2, 1)
    result = guidance.combine(cond, cond[:1], [0, 0], [1.0, 0.5], 1.0)
    assert torch.allclose(result[0], cond[0] + 0.5 * (cond[1] - cond[0]))


def test_combine_leaves_its_arguments_alone_and_keeps_the_type() -> None:
    cond, uncond = rows(1, 1).half(), rows(1, 2).half()
    before = uncond.clone()
    assert guidance.combine(cond, uncond, [0], [1.0], 7.0).dtype == torch.float16
    assert torch.equal(uncond, before)


def test_edit_guidance_by_text_and_by_picture() -> None:
    both, picture, neither = rows(1, 1), rows(1, 2), rows(1, 3)
    result = guidance.combine_edit(both, picture, neither, 7.0, 1.5)
    assert torch.allclose(result, neither + 7 * (both - picture) + 1.5 * (picture - neither))
    assert torch.allclose(guidance.combine_edit(both, picture, neither, 1.0, 1.0), both)


@pytest.mark.parametrize(("call", "skipped"), [(0, True), (4, True), (8, True), (9, False), (19, False)])
def test_skipping_the_early_part(call: int, skipped: bool) -> None:
    reasons = guidance.skip_uncond(Rules(skip_early=0.4), call, 20, 5.0)
    assert reasons == ({"Skip Early CFG": 0.4} if skipped else {})


@pytest.mark.parametrize(
    ("call", "measure", "skipped"), [(1, 0.9, True), (1, 1.0, False), (2, 0.5, False), (3, 0.0, True)]
)
def test_ngms_skips_every_second_call_below_the_threshold(call: int, measure: float, skipped: bool) -> None:
    reasons = guidance.skip_uncond(Rules(s_min_uncond=1.0), call, 20, measure)
    assert reasons == ({"NGMS": 1.0} if skipped else {})


def test_ngms_on_all_steps() -> None:
    rules = Rules(s_min_uncond=1.0, s_min_uncond_all=True)
    assert guidance.skip_uncond(rules, 2, 20, 0.5) == {"NGMS": 1.0, "NGMS all steps": True}
    assert guidance.skip_uncond(rules, 2, 20, 1.5) == {}


def test_skipping_early_goes_before_ngms() -> None:
    assert guidance.skip_uncond(Rules(0.4, 1.0, True), 1, 20, 0.5) == {"Skip Early CFG": 0.4}


def test_nothing_is_skipped_by_default() -> None:
    assert guidance.skip_uncond(Rules(), 0, 20, 0.0) == {}


def test_completed(schedule: NoiseSchedule) -> None:
    assert guidance.completed(schedule, schedule.sigma_max) == 0.0
    assert guidance.completed(schedule, 0.0) == 0.999
    assert guidance.completed(schedule, float(schedule.sigmas[499])) == 0.5
    assert guidance.completed_at(499.7) == 0.5
    assert guidance.completed_at(1) == 0.998


def test_completed_on_lcms_short_table(schedule: NoiseSchedule) -> None:
    table = LCMSchedule(schedule.alphas_cumprod)
    assert guidance.completed(table, table.sigma_max) == 0.95
