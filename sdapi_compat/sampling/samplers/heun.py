"""Heun's method, and restart sampling, which is made of it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from sdapi_compat.sampling.ask import Denoise, NoiseSource, SigmaSampler
from sdapi_compat.sampling.recipe import Churn
from sdapi_compat.sampling.samplers.steps import churned, derivative, root
from sdapi_compat.sampling.schedules import karras

_RESTART_AT, _RESTART_FROM = 0.1, 2.0


def heun(x: Tensor, sigmas: Sequence[float], noise: NoiseSource, *, churn: Churn) -> SigmaSampler:
    """Karras et al. 2022, "Elucidating the Design Space", Algorithm 2."""
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        x, sigma_hat = churned(x, sigma, len(sigmas) - 1, noise, churn)
        x = yield from _heun_step(x, sigma_hat, sigma_next, i)
    return x


def restart(x: Tensor, sigmas: Sequence[float], noise: NoiseSource) -> SigmaSampler:
    """Xu et al. 2023, "Restart Sampling for Improving Generative Processes", Algorithm 1 with Heun steps.

    With fewer than 20 steps nothing is restarted and this is Heun's method.
    """
    reached = None
    for i, (sigma, sigma_next) in enumerate(restart_path(sigmas)):
        if reached is not None and sigma > reached:
            x = x + noise() * root(sigma**2 - reached**2)
        x = yield from _heun_step(x, sigma, sigma_next, i)
        reached = sigma_next
    return x


def restart_path(sigmas: Sequence[float]) -> list[tuple[float, float]]:
    """The (sigma, sigma_next) of every step, restarts included.

    A1111 1.10.1 behaviour: from 20 steps on, part of the budget goes into one or two passes from sigma 2 down
    to sigma 0.1, and the main levels become a Karras schedule between the ends of the given ones.
    """
    steps = len(sigmas) - 1
    if steps < 20:
        return list(pairwise(sigmas))
    inner, times = (steps // 4, 2) if steps >= 36 else (9, 1)
    main = karras(steps - inner * times, sigmas[-2], sigmas[0]).tolist()
    low, high = _nearest(main, _RESTART_AT), _nearest(main, _RESTART_FROM)
    path = list(pairwise(main))
    if low == 0 or high >= low:
        return path
    again = list(pairwise(karras(inner + 1, main[low], main[high]).tolist()[:-1]))
    return path[:low] + again * times + path[low:]


def _heun_step(x: Tensor, sigma: float, sigma_next: float, i: int) -> SigmaSampler:
    denoised = yield Denoise(x, sigma, i)
    d = derivative(x, sigma, denoised)
    dt = sigma_next - sigma
    x_euler = x + d * dt
    if sigma_next == 0:
        return x_euler
    denoised = yield Denoise(x_euler, sigma_next, i)
    d_prime = (d + derivative(x_euler, sigma_next, denoised)) / 2
    return x + d_prime * dt


def _nearest(levels: Sequence[float], target: float) -> int:
    return min(range(len(levels)), key=lambda index: abs(levels[index] - target))
