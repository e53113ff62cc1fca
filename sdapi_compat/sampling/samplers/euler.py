"""Euler's method, plain and ancestral."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from sdapi_compat.sampling.ask import Denoise, NoiseSource, SigmaSampler
from sdapi_compat.sampling.recipe import Churn
from sdapi_compat.sampling.samplers.steps import ancestral_step, churned, derivative


def euler(x: Tensor, sigmas: Sequence[float], noise: NoiseSource, *, churn: Churn) -> SigmaSampler:
    """Karras et al. 2022, "Elucidating the Design Space", Algorithm 2 without lines 9 to 11."""
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        x, sigma_hat = churned(x, sigma, len(sigmas) - 1, noise, churn)
        denoised = yield Denoise(x, sigma_hat, i)
        x = x + derivative(x, sigma_hat, denoised) * (sigma_next - sigma_hat)
    return x


def euler_ancestral(x: Tensor, sigmas: Sequence[float], noise: NoiseSource, *, eta: float) -> SigmaSampler:
    """Euler steps down past the next level, then fresh noise up to it: Song et al. 2021 (DDIM), eta = 1."""
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        denoised = yield Denoise(x, sigma, i)
        down, up = ancestral_step(sigma, sigma_next, eta)
        x = x + derivative(x, sigma, denoised) * (down - sigma)
        if sigma_next > 0 and eta:
            x = x + noise() * up
    return x
