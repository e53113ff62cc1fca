"""How a job is to be sampled, as plain data: what a plan stores and the engine reads. Torch-free."""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec

from sdapi_compat.sampling.table import SamplerSpec

_MAX_DENOISE = 0.999


class SigmaRecipe(msgspec.Struct, frozen=True, kw_only=True):
    """What decides the noise levels a sampler visits, apart from the model's own schedule.

    `scheduler` is a label or a name; an unknown one counts as the model's uniform schedule. A zero in
    `sigma_min`, `sigma_max` or `rho` means "not set". `hires` marks the second pass of a hires fix, whose
    schedule is compared in the infotext with `first_pass_type` (the first pass's "Schedule type" entry).
    """

    sampler: str
    scheduler: str | None = None
    steps: int
    sigma_min: float = 0.0
    sigma_max: float = 0.0
    rho: float = 0.0
    use_old_karras_scheduler_sigmas: bool = False
    always_discard_next_to_last_sigma: bool = False
    beta_dist_alpha: float = 0.6
    beta_dist_beta: float = 0.6
    sdxl: bool = False
    hires: bool = False
    first_pass_type: str | None = None


class Churn(msgspec.Struct, frozen=True):
    """Stochastic churn of Karras et al. 2022, Algorithm 2: S_churn, S_tmin, S_tmax, S_noise."""

    s_churn: float = 0.0
    s_tmin: float = 0.0
    s_tmax: float = math.inf
    s_noise: float = 1.0


class UniPCSettings(msgspec.Struct, frozen=True):
    """The uni_pc_* options.

    variant: bh1, bh2 or vary_coeff. skip_type: time_uniform, time_quadratic or logSNR.
    """

    variant: str = "bh1"
    skip_type: str = "time_uniform"
    order: int = 3
    lower_order_final: bool = True


class AskedNoise(msgspec.Struct, frozen=True, kw_only=True):
    """What a request says about eta and churn; None is "not said"."""

    eta: float | None = None
    s_churn: float | None = None
    s_tmin: float | None = None
    s_tmax: float | None = None
    s_noise: float | None = None


class ConfiguredNoise(msgspec.Struct, frozen=True, kw_only=True):
    """The options of the same names. An s_tmax of 0 means no upper end."""

    eta_ancestral: float = 1.0
    eta_ddim: float = 0.0
    s_churn: float = 0.0
    s_tmin: float = 0.0
    s_tmax: float = 0.0
    s_noise: float = 1.0


class NoiseSettings(NamedTuple):
    """The eta and churn a sampler runs with, and what the infotext says about them."""

    eta: float
    churn: Churn
    infotext: dict[str, float]


class Img2ImgSteps(NamedTuple):
    """`total` steps make the schedule; the sampler runs its last `t_enc` + 1 (sigma family)."""

    total: int
    t_enc: int


_ETA = {"ancestral": ("Eta", 1.0), "ddim": ("Eta DDIM", 0.0)}
_CHURN_LABELS = {
    "s_churn": "Sigma churn",
    "s_tmin": "Sigma tmin",
    "s_tmax": "Sigma tmax",
    "s_noise": "Sigma noise",
}


def noise_settings(spec: SamplerSpec, asked: AskedNoise, options: ConfiguredNoise) -> NoiseSettings:
    """The eta and churn of a job.

    A1111 1.10.1 behaviour: eta is the request's, else the option of the sampler's kind. Of churn, an
    option that differs from its default beats the request, and only then the infotext mentions it.
    """
    infotext: dict[str, float] = {}
    eta = effective_eta(spec, asked.eta, options)
    if spec.eta_kind is not None:
        label, usual = _ETA[spec.eta_kind]
        if eta != usual:
            infotext[label] = eta
    values: dict[str, float] = {}
    for key in spec.churn:
        usual = getattr(Churn(), key)
        option = _churn_value(key, getattr(options, key))
        request = getattr(asked, key)
        if option != usual:
            infotext[_CHURN_LABELS[key]] = option
        values[key] = option if option != usual or request is None else _churn_value(key, request)
    return NoiseSettings(eta, Churn(**values), infotext)


def effective_eta(spec: SamplerSpec, asked: float | None, options: ConfiguredNoise) -> float:
    """The request's eta, else the option for the sampler's family."""
    if asked is not None:
        return asked
    return options.eta_ddim if spec.family == "timestep" else options.eta_ancestral


def shows_ensd(spec: SamplerSpec, eta: float, eta_noise_seed_delta: int) -> bool:
    """Whether the infotext carries "ENSD". (The generators are re-seeded for every sampler.)"""
    return spec.uses_ensd and eta != 0 and eta_noise_seed_delta != 0


def img2img_steps(steps: int, denoise: float, fixed: bool) -> Img2ImgSteps:
    """The step rule of img2img and of the hires pass.

    `fixed` (option img2img_fix_steps, and every hires pass): exactly `steps` steps are run, out of a longer
    schedule. Otherwise the schedule has `steps` steps and part of it is run.
    """
    strength = min(denoise, _MAX_DENOISE)
    if fixed:
        return Img2ImgSteps(int(steps / strength) if denoise > 0 else 0, steps - 1)
    return Img2ImgSteps(steps, int(strength * steps))


def _churn_value(key: str, value: float) -> float:
    return (value or math.inf) if key == "s_tmax" else value
