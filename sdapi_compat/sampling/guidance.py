"""Classifier-free guidance as pure functions: how outputs combine, when the unconditional one is left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from sdapi_compat.sampling.noise_schedule import NoiseSchedule

_LAST_TIME = 999
_TIMES = 1000


class SkipRules(Protocol):
    """When to leave the unconditional side out (options skip_early_cond, s_min_uncond, s_min_uncond_all)."""

    @property
    def skip_early(self) -> float: ...

    @property
    def s_min_uncond(self) -> float: ...

    @property
    def s_min_uncond_all(self) -> bool: ...


def combine(
    outputs: Tensor, uncond: Tensor, owners: Sequence[int], weights: Sequence[float], scale: float
) -> Tensor:
    """Ho & Salimans 2022, equation 6, with composition by Liu et al. 2022: U + sum_k scale w_k (C_k - U).

    outputs: (R, C, h, w), one row per prompt part; owners[r] is the image it belongs to, weights[r] its
    weight. uncond: (B, C, h, w). Returns (B, C, h, w); both in x0 space or both in eps space.
    """
    if list(owners) == list(range(len(uncond))) and len(set(weights)) == 1:
        return uncond + (outputs - uncond) * (weights[0] * scale)
    # Row by row: an index or a weight on its way to the device would make the host wait for it.
    result = uncond.clone()
    for output, owner, weight in zip(outputs, owners, weights, strict=True):
        result[owner] += (output - uncond[owner]) * (weight * scale)
    return result


def combine_edit(both: Tensor, picture: Tensor, neither: Tensor, scale: float, image_scale: float) -> Tensor:
    """Brooks et al. 2023, "InstructPix2Pix", equation 3: guidance by the text and by the picture.

    Outputs with text and picture, with the picture, and with neither, all (B, C, h, w).
    """
    return neither + scale * (both - picture) + image_scale * (picture - neither)


def skip_uncond(rules: SkipRules, call: int, total_calls: int, measure: float) -> dict[str, float | bool]:
    """Why the unconditional side of a call is left out, as infotext entries; empty: it is not.

    A1111 1.10.1 behaviour: calls count from 0; `measure` is sigma, or the time in the timestep family. The
    threshold on `measure` holds for every second call unless s_min_uncond_all.
    """
    if rules.skip_early != 0 and call / total_calls <= rules.skip_early:
        return {"Skip Early CFG": rules.skip_early}
    if rules.s_min_uncond > max(measure, 0) and (call % 2 or rules.s_min_uncond_all):
        everywhere: dict[str, float | bool] = {"NGMS all steps": True} if rules.s_min_uncond_all else {}
        return {"NGMS": rules.s_min_uncond} | everywhere
    return {}


def completed(schedule: NoiseSchedule, sigma: float) -> float:
    """How much of the noise is gone, 0..0.999: the place of `sigma` in the sampler's own table.

    What refiner_switch_at is compared with. (A1111 1.10.1 behaviour: LCM's table of 50 levels counts as the
    lowest 50 times.)
    """
    nearest = int((schedule.sigmas - sigma).abs().argmin())
    return (_LAST_TIME - nearest) / _TIMES


def completed_at(timestep: float) -> float:
    """`completed` for the timestep family."""
    return (_LAST_TIME - int(timestep)) / _TIMES
