"""DPM-Solver++, deterministic and ancestral. Times are t = -ln sigma; h is a step in t."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from sdapi_compat.sampling.ask import Denoise, NoiseSource, SigmaSampler
from sdapi_compat.sampling.samplers.steps import ancestral_step, derivative, log_time


def dpmpp_2m(x: Tensor, sigmas: Sequence[float]) -> SigmaSampler:
    """Lu et al. 2022, "DPM-Solver++", Algorithm 2 (2M)."""
    old_denoised, h_last = None, 0.0
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        denoised = yield Denoise(x, sigma, i)
        h = log_time(sigma_next) - log_time(sigma)
        if old_denoised is None or sigma_next == 0 or h_last == 0:
            denoised_d = denoised
        else:
            half_inverse_r = h / (2 * h_last)
            denoised_d = (1 + half_inverse_r) * denoised - half_inverse_r * old_denoised
        x = (sigma_next / sigma) * x - math.expm1(-h) * denoised_d
        old_denoised, h_last = denoised, h
    return x


def dpmpp_2s_ancestral(
    x: Tensor, sigmas: Sequence[float], noise: NoiseSource, *, eta: float, s_noise: float
) -> SigmaSampler:
    """Lu et al. 2022, "DPM-Solver++", Algorithm 1 (2S) with r = 1/2, down past the level; noise up to it."""
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        denoised = yield Denoise(x, sigma, i)
        down, up = ancestral_step(sigma, sigma_next, eta)
        if down == 0:
            x = x + derivative(x, sigma, denoised) * (down - sigma)
        else:
            h = log_time(down) - log_time(sigma)
            sigma_mid = math.sqrt(sigma * down)
            u = (sigma_mid / sigma) * x - math.expm1(-h / 2) * denoised
            denoised = yield Denoise(u, sigma_mid, i)
            x = (down / sigma) * x - math.expm1(-h) * denoised
        if sigma_next > 0 and eta:
            x = x + noise() * (s_noise * up)
    return x
