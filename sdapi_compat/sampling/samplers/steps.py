"""Arithmetic the samplers share: plain numbers, apart from `derivative` and `churned`."""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor

from sdapi_compat.sampling.ask import NoiseSource
from sdapi_compat.sampling.recipe import Churn

_MAX_GAMMA = math.sqrt(2) - 1


class Ancestral(NamedTuple):
    """A step split in two: denoise down to `down`, then add noise of deviation `up`."""

    down: float
    up: float


class Churned(NamedTuple):
    """The latents at the raised noise level sigma_hat."""

    x: Tensor
    sigma: float


def derivative(x: Tensor, sigma: float, denoised: Tensor) -> Tensor:
    """dx/dsigma = (x - D(x, sigma)) / sigma, the probability flow ODE of Karras et al. 2022, equation 4."""
    return (x - denoised) / sigma


def ancestral_step(sigma_from: float, sigma_to: float, eta: float) -> Ancestral:
    """Song et al. 2021 (DDIM), equation 16 in terms of sigma; `eta` 0 adds no noise, 1 is DDPM's."""
    if eta == 0:
        return Ancestral(sigma_to, 0.0)
    up = min(sigma_to, eta * root(sigma_to**2 * (sigma_from**2 - sigma_to**2) / sigma_from**2))
    return Ancestral(root(sigma_to**2 - up**2), up)


def churned(x: Tensor, sigma: float, steps: int, noise: NoiseSource, churn: Churn) -> Churned:
    """Raise the noise level: Karras et al. 2022, Algorithm 2, lines 4 to 6.

    With churn on, every step draws noise, also one outside [s_tmin, s_tmax]: the draws of later steps then do
    not depend on the limits.
    """
    if churn.s_churn == 0:
        return Churned(x, sigma)
    eps = noise()
    gamma = min(churn.s_churn / steps, _MAX_GAMMA) if churn.s_tmin <= sigma <= churn.s_tmax else 0.0
    if gamma <= 0:
        return Churned(x, sigma)
    sigma_hat = sigma * (gamma + 1)
    return Churned(x + eps * (churn.s_noise * root(sigma_hat**2 - sigma**2)), sigma_hat)


def log_time(sigma: float) -> float:
    """t = -ln sigma, half the log signal-to-noise ratio; infinite at sigma 0."""
    return -math.log(sigma) if sigma > 0 else math.inf


def root(value: float) -> float:
    """Square root of a difference that rounding may push below 0."""
    return math.sqrt(max(value, 0.0))
