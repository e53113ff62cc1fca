"""The one door to the samplers: from a job's rules to a running sampler and its first latents."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from torch import Tensor

from sdapi_compat.errors import Fault
from sdapi_compat.sampling.ask import BrownianSource
from sdapi_compat.sampling.noise import ImageNoise
from sdapi_compat.sampling.noise_schedule import LCMSchedule, NoiseSchedule
from sdapi_compat.sampling.recipe import Churn, SigmaRecipe, UniPCSettings
from sdapi_compat.sampling.samplers import (
    ddim,
    dpm2,
    dpm_solver,
    dpmpp,
    dpmpp_sde,
    euler,
    heun,
    lcm,
    lms,
    unipc,
)
from sdapi_compat.sampling.schedules import SigmaPlan
from sdapi_compat.sampling.table import SAMPLER_BY_NAME

Sampler: TypeAlias = Generator[Any, Any, Tensor]
"""A SigmaSampler or a TimestepSampler: which one, its asks tell."""


class SamplerRules(Protocol):
    """How a sampler is run; `recipe` names it, eta and churn are effective values.

    t_enc: img2img, run the last t_enc + 1 of recipe.steps steps (timestep family: the first t_enc times);
    None: run all, from noise. sgm_noise_multiplier, batch_determinism: the options sgm_noise_multiplier and
    not no_dpmpp_sde_batch_determinism.
    """

    @property
    def recipe(self) -> SigmaRecipe: ...

    @property
    def t_enc(self) -> int | None: ...

    @property
    def eta(self) -> float: ...

    @property
    def churn(self) -> Churn: ...

    @property
    def unipc(self) -> UniPCSettings: ...

    @property
    def sgm_noise_multiplier(self) -> bool: ...

    @property
    def batch_determinism(self) -> bool: ...


@dataclass(frozen=True)
class SamplerRun:
    """One run of a sampler over a batch.

    schedule: the model's own. noise: fresh, its `first` not yet called. clean: latents (B, C, h, w) of the
    picture to start from, None to start from noise; it goes with `rules.t_enc`. noise_multiplier: option or
    field initial_noise_multiplier (img2img only). extra_noise: option img2img_extra_noise. initial: unit
    noise (B, C, h, w) to start from in place of `noise`'s first.
    """

    rules: SamplerRules
    plan: SigmaPlan
    schedule: NoiseSchedule
    noise: ImageNoise
    clean: Tensor | None = None
    noise_multiplier: float = 1.0
    extra_noise: float = 0.0
    initial: Tensor | None = None

    @property
    def steps(self) -> int:
        """The number of steps progress counts to. A1111 1.10.1 behaviour: the asked one, not the real one."""
        return self.rules.recipe.steps if self.rules.t_enc is None else self.rules.t_enc + 1

    @property
    def eta(self) -> float:
        """Effective eta."""
        return self.rules.eta

    @property
    def churn(self) -> Churn:
        """Effective churn."""
        return self.rules.churn

    @property
    def sigmas(self) -> list[float]:
        """The noise levels this run visits."""
        if self.rules.t_enc is None:
            return self.plan.sigmas
        return self.plan.sigmas[self.rules.recipe.steps - self.rules.t_enc - 1 :]

    @property
    def timesteps(self) -> list[int]:
        """The times this run visits, ascending."""
        return self.plan.timesteps[: self.rules.t_enc]

    def brownian(self) -> BrownianSource:
        """Noise of a Brownian motion over the whole plan; over this run where a batch shares one motion."""
        whole = self.rules.batch_determinism
        levels = [sigma for sigma in (self.plan.sigmas if whole else self.sigmas) if sigma > 0]
        return self.noise.brownian(min(levels, default=0.0), max(levels, default=0.0), per_image=whole)


def start(run: SamplerRun) -> Sampler:
    """The sampler of `run.rules.recipe`, ready to be advanced. Draws the initial noise.

    Raises Fault("IndexError") where img2img leaves no noise level to start from (a negative strength).
    """
    family = SAMPLER_BY_NAME[run.rules.recipe.sampler].family
    x = _initial_timestep(run) if family == "timestep" else _initial_sigma(run)
    return _SAMPLERS[run.rules.recipe.sampler](run, x)


def _initial_sigma(run: SamplerRun) -> Tensor:
    """x0 + sigma * noise; with sgm_noise_multiplier, noise alone has the deviation of noise and unit data."""
    if not run.sigmas:
        raise Fault("IndexError", "index 0 is out of bounds for dimension 0 with size 0")
    noise, sigma = _first(run), run.sigmas[0]
    if run.clean is None:
        return noise * (math.sqrt(1 + sigma**2) if run.rules.sgm_noise_multiplier else sigma)
    return run.clean + noise * (run.noise_multiplier * (sigma + run.extra_noise))


def _initial_timestep(run: SamplerRun) -> Tensor:
    """sqrt(abar) * x0 + sqrt(1 - abar) * noise, at the time above those the run visits."""
    noise = _first(run)
    if run.clean is None or run.rules.t_enc is None:
        return noise
    if not -len(run.plan.timesteps) <= run.rules.t_enc < len(run.plan.timesteps):
        raise Fault("IndexError", f"index {run.rules.t_enc} is out of bounds for dimension 0")
    abar = run.schedule.alpha_bar(run.plan.timesteps[run.rules.t_enc])
    level = math.sqrt(1 - abar) + run.extra_noise * math.sqrt(abar)
    return math.sqrt(abar) * run.clean + noise * (run.noise_multiplier * level)


def _first(run: SamplerRun) -> Tensor:
    return run.noise.first() if run.initial is None else run.initial


def _solver_range(run: SamplerRun) -> dpm_solver.SigmaRange:
    """Where DPM fast and DPM adaptive start and end: at the ends of the model's table, not of the schedule.

    In img2img at the first noise level and the last but one.
    """
    if run.rules.t_enc is None:
        return run.schedule.sigma_max, run.schedule.sigma_min
    return run.sigmas[0], (run.sigmas[:-1] or run.sigmas)[-1]


def _dpm_fast(run: SamplerRun, x: Tensor) -> Sampler:
    nfe = run.rules.recipe.steps if run.rules.t_enc is None else len(run.sigmas) - 1
    return dpm_solver.dpm_fast(
        x, _solver_range(run), nfe, run.noise.next, eta=run.eta, s_noise=run.churn.s_noise
    )


def _dpm_adaptive(run: SamplerRun, x: Tensor) -> Sampler:
    return dpm_solver.dpm_adaptive(
        x, _solver_range(run), run.noise.next, eta=run.eta, tolerance=dpm_solver.Tolerance()
    )


def _dpmpp_2m_sde(run: SamplerRun, x: Tensor) -> Sampler:
    heuns = SAMPLER_BY_NAME[run.rules.recipe.sampler].solver_type == "heun"
    return dpmpp_sde.dpmpp_2m_sde(
        x, run.sigmas, run.brownian(), eta=run.eta, s_noise=run.churn.s_noise, heun=heuns
    )


def _unipc(run: SamplerRun, x: Tensor) -> Sampler:
    return unipc.unipc(x, run.timesteps, run.schedule, run.rules.unipc, from_noise=run.rules.t_enc is None)


def _with_s_noise(sampler: Callable[..., Sampler]) -> Callable[[SamplerRun, Tensor], Sampler]:
    return lambda run, x: sampler(x, run.sigmas, run.noise.next, eta=run.eta, s_noise=run.churn.s_noise)


def _with_churn(sampler: Callable[..., Sampler]) -> Callable[[SamplerRun, Tensor], Sampler]:
    return lambda run, x: sampler(x, run.sigmas, run.noise.next, churn=run.churn)


def _with_brownian(sampler: Callable[..., Sampler]) -> Callable[[SamplerRun, Tensor], Sampler]:
    return lambda run, x: sampler(x, run.sigmas, run.brownian(), eta=run.eta, s_noise=run.churn.s_noise)


def _on_times(sampler: Callable[..., Sampler]) -> Callable[[SamplerRun, Tensor], Sampler]:
    return lambda run, x: sampler(x, run.timesteps, run.schedule, run.noise.next, eta=run.eta)


_SAMPLERS: dict[str, Callable[[SamplerRun, Tensor], Sampler]] = {
    "DPM++ 2M": lambda run, x: dpmpp.dpmpp_2m(x, run.sigmas),
    "DPM++ SDE": _with_brownian(dpmpp_sde.dpmpp_sde),
    "DPM++ 2M SDE": _dpmpp_2m_sde,
    "DPM++ 2M SDE Heun": _dpmpp_2m_sde,
    "DPM++ 2S a": _with_s_noise(dpmpp.dpmpp_2s_ancestral),
    "DPM++ 3M SDE": _with_brownian(dpmpp_sde.dpmpp_3m_sde),
    "Euler a": lambda run, x: euler.euler_ancestral(x, run.sigmas, run.noise.next, eta=run.eta),
    "Euler": _with_churn(euler.euler),
    "LMS": lambda run, x: lms.lms(x, run.sigmas),
    "Heun": _with_churn(heun.heun),
    "DPM2": _with_churn(dpm2.dpm2),
    "DPM2 a": _with_s_noise(dpm2.dpm2_ancestral),
    "DPM fast": _dpm_fast,
    "DPM adaptive": _dpm_adaptive,
    "Restart": lambda run, x: heun.restart(x, run.sigmas, run.noise.next),
    "DDIM": _on_times(ddim.ddim),
    "DDIM CFG++": _on_times(ddim.ddim_cfgpp),
    "PLMS": lambda run, x: ddim.plms(x, run.timesteps, run.schedule),
    "UniPC": _unipc,
    "LCM": lambda run, x: lcm.lcm(x, run.sigmas, run.noise.next, LCMSchedule(run.schedule.alphas_cumprod)),
}
