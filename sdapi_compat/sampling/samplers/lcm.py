"""Sampling of latent consistency models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from sdapi_compat.sampling.ask import Denoise, NoiseSource, SigmaSampler
from sdapi_compat.sampling.noise_schedule import LCMSchedule

_SIGMA_DATA = 0.5
_TIMESTEP_SCALING = 10.0


def lcm(x: Tensor, sigmas: Sequence[float], noise: NoiseSource, schedule: LCMSchedule) -> SigmaSampler:
    """Luo et al. 2023, "Latent Consistency Models", Algorithm 3: predict x0, add noise of the next level."""
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        t = schedule.sigma_to_t(sigma)
        denoised = yield Denoise(x, sigma, i, t)
        x = _consistency(x, denoised, t)
        if sigma_next > 0:
            x = x + noise() * sigma_next
    return x


def _consistency(x: Tensor, denoised: Tensor, t: float) -> Tensor:
    """The boundary condition of the consistency function, equation 9: f(x, 0) = x."""
    scaled = t * _TIMESTEP_SCALING
    c_skip = _SIGMA_DATA**2 / (scaled**2 + _SIGMA_DATA**2)
    c_out = scaled / math.hypot(scaled, _SIGMA_DATA)
    return c_out * denoised + c_skip * x
