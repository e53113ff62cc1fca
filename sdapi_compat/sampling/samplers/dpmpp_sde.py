"""DPM-Solver++ for the diffusion SDE, with Brownian noise. Times are t = -ln sigma; h is a step in t."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from sdapi_compat.sampling.ask import BrownianSource, Denoise, SigmaSampler
from sdapi_compat.sampling.samplers.steps import ancestral_step, derivative, log_time, root


def dpmpp_sde(
    x: Tensor, sigmas: Sequence[float], noise: BrownianSource, *, eta: float, s_noise: float
) -> SigmaSampler:
    """DPM-Solver++ of Lu et al. 2022, singlestep with r = 1/2, with ancestral noise at both stages."""
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        denoised = yield Denoise(x, sigma, i)
        if sigma_next == 0:
            x = x + derivative(x, sigma, denoised) * (sigma_next - sigma)
            continue
        start, middle, end = _stage_levels(sigma, sigma_next)

        down, up = ancestral_step(start, middle, eta)
        u = (down / start) * x - math.expm1(log_time(start) - log_time(down)) * denoised
        if eta:
            u = u + noise(start, middle) * (s_noise * up)
        denoised = yield Denoise(u, middle, i)  # r = 1/2 gives the first evaluation no weight in stage 2

        down, up = ancestral_step(start, end, eta)
        x = (down / start) * x - math.expm1(log_time(start) - log_time(down)) * denoised
        if eta:
            x = x + noise(start, end) * (s_noise * up)
    return x


def dpmpp_2m_sde(
    x: Tensor, sigmas: Sequence[float], noise: BrownianSource, *, eta: float, s_noise: float, heun: bool
) -> SigmaSampler:
    """SDE-DPM-Solver++(2M) of Lu et al. 2022; `heun` corrects with phi_2 in place of the midpoint rule."""
    old_denoised, h_last = None, 0.0
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        denoised = yield Denoise(x, sigma, i)
        if sigma_next == 0:
            x = denoised
            continue
        h = log_time(sigma_next) - log_time(sigma)
        h_eta = h * (1 + eta)
        x = (sigma_next / sigma) * math.exp(-eta * h) * x - math.expm1(-h_eta) * denoised
        if old_denoised is not None and h_last != 0:
            weight = _phi_2(h_eta) if heun else -0.5 * math.expm1(-h_eta)
            x = x + (weight * h / h_last) * (denoised - old_denoised)
        if eta:
            x = x + noise(sigma, sigma_next) * _noise_level(sigma_next, eta * h, s_noise)
        old_denoised, h_last = denoised, h
    return x


def dpmpp_3m_sde(
    x: Tensor, sigmas: Sequence[float], noise: BrownianSource, *, eta: float, s_noise: float
) -> SigmaSampler:
    """The third-order multistep member of SDE-DPM-Solver++ (Lu et al. 2022), an exponential integrator."""
    history: list[tuple[Tensor, float]] = []  # newest first: denoised, and the step taken from it
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        denoised = yield Denoise(x, sigma, i)
        if sigma_next == 0:
            x = denoised
            continue
        h = log_time(sigma_next) - log_time(sigma)
        h_eta = h * (1 + eta)
        x = math.exp(-h_eta) * x - math.expm1(-h_eta) * denoised
        if h != 0:
            x = x + _multistep_correction(denoised, history, h, h_eta)
            history = [(denoised, h), *history][:2]
        if eta:
            x = x + noise(sigma, sigma_next) * _noise_level(sigma_next, eta * h, s_noise)
    return x


def _multistep_correction(
    denoised: Tensor, history: Sequence[tuple[Tensor, float]], h: float, h_eta: float
) -> Tensor | float:
    """phi_2 D' - phi_3 D'', with the derivatives taken from divided differences of the last evaluations."""
    if not history:
        return 0.0
    denoised_1, h_1 = history[0]
    r0 = h_1 / h
    d1 = (denoised - denoised_1) / r0
    phi_2 = _phi_2(h_eta)
    if len(history) < 2:
        return phi_2 * d1
    denoised_2, h_2 = history[1]
    r1 = h_2 / h
    slope = d1 - (denoised_1 - denoised_2) / r1
    phi_3 = phi_2 / h_eta - 0.5
    return phi_2 * (d1 + slope * (r0 / (r0 + r1))) - phi_3 * (slope / (r0 + r1))


def _phi_2(h: float) -> float:
    """(e^-h - 1) / h + 1."""
    return math.expm1(-h) / h + 1 if h != 0 else 0.0


def _noise_level(sigma_next: float, eta_h: float, s_noise: float) -> float:
    return sigma_next * root(-math.expm1(-2 * eta_h)) * s_noise


def _stage_levels(sigma: float, sigma_next: float) -> tuple[float, float, float]:
    """The levels of a step's start, middle and end after a round trip through t = -ln sigma in float32.

    A Brownian path is rough: a level that is off in its last bit gives other noise. So these follow the
    float32 arithmetic of k-diffusion.
    """
    t, t_next = -torch.tensor([sigma, sigma_next], dtype=torch.float32).log()
    levels = torch.stack([t, t + (t_next - t) * 0.5, t_next]).neg().exp()
    start, middle, end = levels.tolist()
    return start, middle, end
