"""DPM-Solver-2 in k-diffusion's form: one evaluation half way, in log sigma."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from sdapi_compat.sampling.ask import Denoise, NoiseSource, SigmaSampler
from sdapi_compat.sampling.recipe import Churn
from sdapi_compat.sampling.samplers.steps import ancestral_step, churned, derivative


def dpm2(x: Tensor, sigmas: Sequence[float], noise: NoiseSource, *, churn: Churn) -> SigmaSampler:
    """Karras et al. 2022, Algorithm 2, with the midpoint step of Lu et al. 2022, "DPM-Solver"."""
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        x, sigma_hat = churned(x, sigma, len(sigmas) - 1, noise, churn)
        x = yield from _midpoint_step(x, sigma_hat, sigma_next, i)
    return x


def dpm2_ancestral(
    x: Tensor, sigmas: Sequence[float], noise: NoiseSource, *, eta: float, s_noise: float
) -> SigmaSampler:
    """The midpoint step of Lu et al. 2022, "DPM-Solver", down past the next level, then noise up to it."""
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        down, up = ancestral_step(sigma, sigma_next, eta)
        x = yield from _midpoint_step(x, sigma, down, i)
        if down > 0 and eta:
            x = x + noise() * (s_noise * up)
    return x


def _midpoint_step(x: Tensor, sigma: float, sigma_next: float, i: int) -> SigmaSampler:
    denoised = yield Denoise(x, sigma, i)
    d = derivative(x, sigma, denoised)
    if sigma_next == 0:
        return x + d * (sigma_next - sigma)
    sigma_mid = math.sqrt(sigma * sigma_next)
    x_mid = x + d * (sigma_mid - sigma)
    denoised = yield Denoise(x_mid, sigma_mid, i)
    return x + derivative(x_mid, sigma_mid, denoised) * (sigma_next - sigma)
