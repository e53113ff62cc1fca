"""Which noise levels (or times) a sampler visits.

Every schedule is a pure function on the CPU in float32, as in A1111 1.10.1. `sigma_plan` chooses among them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from sdapi_compat.sampling.noise_schedule import LCMSchedule, NoiseSchedule
from sdapi_compat.sampling.recipe import SigmaRecipe
from sdapi_compat.sampling.table import (
    AUTOMATIC,
    NO_RHO,
    SAMPLER_BY_NAME,
    SCHEDULER_BY_TEXT,
    SamplerSpec,
    SchedulerSpec,
)

Infotext: TypeAlias = dict[str, str | float | bool]

_OLD_KARRAS_SIGMAS = (0.1, 10.0)
_TRAINED_STEPS = 1000

# Sabour et al. 2024, "Align Your Steps", Table of optimised 10-step schedules.
_AYS_SD = (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029)
_AYS_SDXL = (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029)


class SigmaPlan(NamedTuple):
    """Where a sampler goes.

    sigmas: descending noise levels, the last one 0 (except for KL Optimal); empty in the timestep family.
    timesteps: ascending model times; empty outside the timestep family.
    infotext: the entries the choice adds to the infotext, in order.
    """

    sigmas: list[float]
    timesteps: list[int]
    infotext: Infotext


class SigmaRange(NamedTuple):
    """Noise levels between which a schedule runs, the number of its steps, and its own parameters."""

    n: int
    sigma_min: float
    sigma_max: float
    rho: float
    recipe: SigmaRecipe
    schedule: NoiseSchedule


def karras(n: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Tensor:
    """Karras et al. 2022, equation 5: levels evenly spread in sigma^(1/rho)."""
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    return with_zero((high + torch.linspace(0, 1, n) * (low - high)) ** rho)


def exponential(n: int, sigma_min: float, sigma_max: float) -> Tensor:
    """Levels evenly spread in log sigma."""
    return with_zero(torch.linspace(math.log(sigma_max), math.log(sigma_min), n).exp())


def polyexponential(n: int, sigma_min: float, sigma_max: float, rho: float = 1.0) -> Tensor:
    """A polynomial of degree rho in log sigma."""
    ramp = torch.linspace(1, 0, n) ** rho
    return with_zero((ramp * (math.log(sigma_max) - math.log(sigma_min)) + math.log(sigma_min)).exp())


def kl_optimal(n: int, sigma_min: float, sigma_max: float) -> Tensor:
    """Sabour et al. 2024, equation 16: n + 1 levels that end at sigma_min, not at 0."""
    start, end = torch.tensor(sigma_max).arctan(), torch.tensor(sigma_min).arctan()
    fraction = torch.arange(n + 1) / n
    return (fraction * end + (1 - fraction) * start).tan()


def align_your_steps(n: int, *, sdxl: bool) -> Tensor:
    """Sabour et al. 2024: optimised levels for 10 steps, interpolated log-linearly for other numbers."""
    base = np.array(_AYS_SDXL if sdxl else _AYS_SD)
    if n == len(base):
        return with_zero(torch.tensor(base, dtype=torch.float32))
    logs = np.interp(np.linspace(0, 1, n), np.linspace(0, 1, len(base)), np.log(base[::-1]))
    return with_zero(torch.tensor(np.exp(logs)[::-1].copy(), dtype=torch.float32))


def sgm_uniform(n: int, sigma_min: float, sigma_max: float, schedule: NoiseSchedule) -> Tensor:
    """Times evenly spread from t(sigma_max), stopping one stride before t(sigma_min)."""
    times = torch.linspace(schedule.sigma_to_t(sigma_max), schedule.sigma_to_t(sigma_min), n + 1)[:-1]
    return with_zero(schedule.t_to_sigma(times))


def normal(n: int, sigma_min: float, sigma_max: float, schedule: NoiseSchedule) -> Tensor:
    """Times evenly spread from t(sigma_max) to t(sigma_min)."""
    times = torch.linspace(schedule.sigma_to_t(sigma_max), schedule.sigma_to_t(sigma_min), n)
    return with_zero(schedule.t_to_sigma(times))


def simple(n: int, schedule: NoiseSchedule) -> Tensor:
    """Entries of the model's table at an even stride from its end."""
    size = len(schedule.sigmas)
    return with_zero(schedule.sigmas[[size - 1 - int(i * (size / n)) for i in range(n)]])


def ddim_levels(n: int, schedule: NoiseSchedule) -> Tensor:
    """Entries 1, 1 + stride, ... of the model's table: not always `n` of them."""
    stride = max(len(schedule.sigmas) // n, 1)
    return with_zero(schedule.sigmas[1::stride].flip(0))


def beta(n: int, sigma_min: float, sigma_max: float, shape: tuple[float, float]) -> Tensor:
    """Lee et al. 2024, "Beta Sampling is All You Need": quantiles of Beta(shape), here linear in sigma."""
    from scipy.special import betaincinv  # scipy is slow to load and only this schedule needs it

    quantiles = betaincinv(*shape, 1 - np.linspace(0, 1, n))
    return with_zero(torch.tensor(sigma_min + quantiles * (sigma_max - sigma_min), dtype=torch.float32))


def with_zero(levels: Tensor) -> Tensor:
    """`levels` with a 0 after them."""
    return torch.cat([levels, levels.new_zeros(1)])


_SCHEDULES: dict[str, Callable[[SigmaRange], Tensor]] = {
    "uniform": lambda r: r.schedule.uniform_sigmas(r.n),
    "karras": lambda r: karras(r.n, r.sigma_min, r.sigma_max, r.rho),
    "exponential": lambda r: exponential(r.n, r.sigma_min, r.sigma_max),
    "polyexponential": lambda r: polyexponential(r.n, r.sigma_min, r.sigma_max, r.rho),
    "sgm_uniform": lambda r: sgm_uniform(r.n, r.sigma_min, r.sigma_max, r.schedule),
    "kl_optimal": lambda r: kl_optimal(r.n, r.sigma_min, r.sigma_max),
    "align_your_steps": lambda r: align_your_steps(r.n, sdxl=r.recipe.sdxl),
    "simple": lambda r: simple(r.n, r.schedule),
    "normal": lambda r: normal(r.n, r.sigma_min, r.sigma_max, r.schedule),
    "ddim": lambda r: ddim_levels(r.n, r.schedule),
    "beta": lambda r: beta(
        r.n, r.sigma_min, r.sigma_max, (r.recipe.beta_dist_alpha, r.recipe.beta_dist_beta)
    ),
}


def sigma_plan(recipe: SigmaRecipe, schedule: NoiseSchedule) -> SigmaPlan:
    """The levels or times of a job. `schedule` is the model's own, whatever the sampler.

    Raises KeyError for a sampler that is not in the table, ZeroDivisionError for a timestep sampler with
    0 or more than 1000 steps.
    """
    spec = SAMPLER_BY_NAME[recipe.sampler]
    infotext: Infotext = {}
    discard = spec.discard_next_to_last_sigma
    if recipe.always_discard_next_to_last_sigma and not discard:
        discard = infotext["Discard penultimate sigma"] = True
    n = recipe.steps + 1 if discard else recipe.steps
    if spec.family == "timestep":
        return SigmaPlan([], timesteps(n), infotext)
    sigmas = _levels(spec, recipe, n, own_schedule(spec, schedule), infotext)
    if discard:
        sigmas = torch.cat([sigmas[:-2], sigmas[-1:]])
    return SigmaPlan(sigmas.tolist(), [], infotext)


def own_schedule(spec: SamplerSpec, schedule: NoiseSchedule) -> NoiseSchedule:
    """The table a sampler reads its noise levels from: the model's, or the distilled one for LCM."""
    return LCMSchedule(schedule.alphas_cumprod) if spec.family == "lcm" else schedule


def timesteps(n: int) -> list[int]:
    """Ascending times of the timestep family: an even stride, so not always `n` of them."""
    stride = _TRAINED_STEPS // n
    if stride < 1:
        raise ZeroDivisionError("a timestep sampler takes between 1 and 1000 steps")
    return [min(t + 1, _TRAINED_STEPS - 1) for t in range(0, _TRAINED_STEPS, stride)]


def _levels(
    spec: SamplerSpec, recipe: SigmaRecipe, n: int, schedule: NoiseSchedule, infotext: Infotext
) -> Tensor:
    """The levels by the recipe's scheduler; writes what A1111 notes about them to `infotext`."""
    text = recipe.scheduler or AUTOMATIC
    scheduler = SCHEDULER_BY_TEXT.get(spec.scheduler or "" if text == AUTOMATIC else text)
    if scheduler is None or scheduler.label == AUTOMATIC:
        return schedule.uniform_sigmas(n)
    _note_type(scheduler.label, recipe, infotext)
    low, high = schedule.sigma_min, schedule.sigma_max
    if recipe.use_old_karras_scheduler_sigmas:
        low, high = _OLD_KARRAS_SIGMAS
    if recipe.sigma_min not in (0, schedule.sigma_min):
        low = infotext["Schedule min sigma"] = recipe.sigma_min
    if recipe.sigma_max not in (0, schedule.sigma_max):
        high = infotext["Schedule max sigma"] = recipe.sigma_max
    rho = _rho(scheduler, recipe, infotext)
    if scheduler.name == "beta":
        infotext["Beta schedule alpha"] = recipe.beta_dist_alpha
        infotext["Beta schedule beta"] = recipe.beta_dist_beta
    return _SCHEDULES[scheduler.name](SigmaRange(n, low, high, rho, recipe, schedule))


def _note_type(label: str, recipe: SigmaRecipe, infotext: Infotext) -> None:
    if not recipe.hires:
        infotext["Schedule type"] = label
    elif label != recipe.first_pass_type:
        infotext["Hires schedule type"] = label


def _rho(scheduler: SchedulerSpec, recipe: SigmaRecipe, infotext: Infotext) -> float:
    if scheduler.default_rho == NO_RHO or recipe.rho in (0, scheduler.default_rho):
        return scheduler.default_rho
    infotext["Schedule rho"] = recipe.rho
    return recipe.rho
