"""Samplers with noise against plain loops in float64 with the same noise."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from sdapi_compat.sampling.recipe import Churn
from sdapi_compat.sampling.samplers import dpm2, dpmpp, dpmpp_sde, euler, heun

LEVELS = {
    1: [10.0, 0.0],
    2: [10.0, 1.0, 0.0],
    3: [10.0, 3.0, 0.6, 0.0],
    20: [*torch.logspace(1, -1.2, 20, dtype=torch.float64).tolist(), 0.0],
}
NO_ZERO = {n: [*levels[:-1], 0.04] for n, levels in LEVELS.items()}
ALL = [*LEVELS.values(), *NO_ZERO.values()]
STEPS = pytest.mark.parametrize("sigmas", ALL, ids=lambda s: f"{len(s) - 1} to {s[-1]}")
ETAS = pytest.mark.parametrize("eta", [0.0, 0.4, 1.0, 1.5])

Model = Callable[[Tensor, float], Tensor]
Noise = Callable[[], Tensor]
Tape = Callable[[], Noise]


def split(start: float, end: float, eta: float) -> tuple[float, float]:
    """sigma_down and sigma_up."""
    up = min(end, eta * (end**2 * (start**2 - end**2) / start**2) ** 0.5)
    return (max(end**2 - up**2, 0)) ** 0.5, up


def check(got: Any, expected: Tensor, calls: int) -> None:
    assert torch.allclose(got.x, expected, rtol=1e-9, atol=1e-9)
    assert len(got.asks) == calls


def motion(sigma: float, sigma_next: float, /) -> Tensor:
    """Noise that only the two levels decide, not the order of the questions."""
    seed = hash((round(sigma, 4), round(sigma_next, 4))) % 2**31
    return torch.randn(2, 4, 4, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@STEPS
@ETAS
def test_euler_ancestral(
    sigmas: list[float], eta: float, drive: Any, wavy: Model, start: Tensor, tape: Tape
) -> None:
    x, noise = start * sigmas[0], tape()
    for s, t in pairwise(sigmas):
        down, up = split(s, t, eta)
        x = x + (x - wavy(x, s)) / s * (down - s)
        if t > 0 and eta:
            x = x + up * noise()
    got = drive(euler.euler_ancestral(start * sigmas[0], sigmas, tape(), eta=eta), wavy)
    check(got, x, len(sigmas) - 1)


CHURN = Churn(s_churn=6.0, s_tmin=0.3, s_tmax=8.0, s_noise=1.03)


def churned(x: Tensor, s: float, n: int, noise: Noise) -> tuple[Tensor, float]:
    eps = noise()
    gamma = min(CHURN.s_churn / n, 2**0.5 - 1) if CHURN.s_tmin <= s <= CHURN.s_tmax else 0
    return x + eps * CHURN.s_noise * ((s * (1 + gamma)) ** 2 - s**2) ** 0.5, s * (1 + gamma)


@STEPS
def test_churned_euler(sigmas: list[float], drive: Any, wavy: Model, start: Tensor, tape: Tape) -> None:
    x, noise = start * sigmas[0], tape()
    for s, t in pairwise(sigmas):
        x, hat = churned(x, s, len(sigmas) - 1, noise)
        x = x + (x - wavy(x, hat)) / hat * (t - hat)
    got = drive(euler.euler(start * sigmas[0], sigmas, tape(), churn=CHURN), wavy)
    check(got, x, len(sigmas) - 1)


def heun_step(x: Tensor, s: float, t: float, model: Model) -> Tensor:
    d = (x - model(x, s)) / s
    end = x + d * (t - s)
    return end if t == 0 else x + (d + (end - model(end, t)) / t) / 2 * (t - s)


@STEPS
def test_churned_heun(sigmas: list[float], drive: Any, wavy: Model, start: Tensor, tape: Tape) -> None:
    x, noise = start * sigmas[0], tape()
    for s, t in pairwise(sigmas):
        x, hat = churned(x, s, len(sigmas) - 1, noise)
        x = heun_step(x, hat, t, wavy)
    got = drive(heun.heun(start * sigmas[0], sigmas, tape(), churn=CHURN), wavy)
    check(got, x, 2 * (len(sigmas) - 1) - (sigmas[-1] == 0))


def middle_step(x: Tensor, s: float, t: float, model: Model) -> Tensor:
    d = (x - model(x, s)) / s
    if t == 0:
        return x - d * s
    m = math.exp((math.log(s) + math.log(t)) / 2)
    u = x + d * (m - s)
    return x + (u - model(u, m)) / m * (t - s)


@STEPS
def test_churned_dpm2(sigmas: list[float], drive: Any, wavy: Model, start: Tensor, tape: Tape) -> None:
    x, noise = start * sigmas[0], tape()
    for s, t in pairwise(sigmas):
        x, hat = churned(x, s, len(sigmas) - 1, noise)
        x = middle_step(x, hat, t, wavy)
    got = drive(dpm2.dpm2(start * sigmas[0], sigmas, tape(), churn=CHURN), wavy)
    check(got, x, 2 * (len(sigmas) - 1) - (sigmas[-1] == 0))


@STEPS
@ETAS
def test_dpm2_ancestral(
    sigmas: list[float], eta: float, drive: Any, wavy: Model, start: Tensor, tape: Tape
) -> None:
    x, noise = start * sigmas[0], tape()
    for s, t in pairwise(sigmas):
        down, up = split(s, t, eta)
        x = middle_step(x, s, down, wavy)
        if down > 0 and eta:
            x = x + 1.1 * up * noise()
    got = drive(dpm2.dpm2_ancestral(start * sigmas[0], sigmas, tape(), eta=eta, s_noise=1.1), wavy)
    assert torch.allclose(got.x, x, rtol=1e-9, atol=1e-9)


@STEPS
@ETAS
def test_dpmpp_2s_ancestral(
    sigmas: list[float], eta: float, drive: Any, wavy: Model, start: Tensor, tape: Tape
) -> None:
    x, noise = start * sigmas[0], tape()
    for s, t in pairwise(sigmas):
        denoised = wavy(x, s)
        down, up = split(s, t, eta)
        if down == 0:
            x = denoised
        else:
            h = math.log(s) - math.log(down)
            m = math.exp(math.log(s) - h / 2)
            u = m / s * x + (1 - math.exp(-h / 2)) * denoised
            x = down / s * x + (1 - math.exp(-h)) * wavy(u, m)
        if t > 0 and eta:
            x = x + 1.1 * up * noise()
    got = drive(dpmpp.dpmpp_2s_ancestral(start * sigmas[0], sigmas, tape(), eta=eta, s_noise=1.1), wavy)
    assert torch.allclose(got.x, x, rtol=1e-9, atol=1e-9)


@STEPS
@ETAS
def test_dpmpp_sde(sigmas: list[float], eta: float, drive: Any, wavy: Model, start: Tensor) -> None:
    x = start * sigmas[0]
    for s, t in pairwise(sigmas):
        denoised = wavy(x, s)
        if t == 0:
            x = denoised
            continue
        m = math.sqrt(s * t)
        down, up = split(s, m, eta)
        u = down / s * x + (1 - down / s) * denoised + (1.1 * up * motion(s, m) if eta else 0)
        down, up = split(s, t, eta)
        x = down / s * x + (1 - down / s) * wavy(u, m) + (1.1 * up * motion(s, t) if eta else 0)
    got = drive(dpmpp_sde.dpmpp_sde(start * sigmas[0], sigmas, motion, eta=eta, s_noise=1.1), wavy)
    # Its levels make a round trip through float32.
    assert torch.allclose(got.x, x, rtol=1e-4, atol=1e-4)


@STEPS
@ETAS
@pytest.mark.parametrize("heuns", [False, True])
def test_dpmpp_2m_sde(
    sigmas: list[float], eta: float, heuns: bool, drive: Any, wavy: Model, start: Tensor
) -> None:
    x, old, h_last = start * sigmas[0], None, 0.0
    for s, t in pairwise(sigmas):
        denoised = wavy(x, s)
        if t == 0:
            x = denoised
            continue
        h = math.log(s / t)
        a = h * (1 + eta)
        x = math.exp(-a) * x + (1 - math.exp(-a)) * denoised
        if old is not None:
            slope = (denoised - old) * h / h_last
            x = x + slope * ((1 - math.exp(-a)) / -a + 1 if heuns else 0.5 * (1 - math.exp(-a)))
        if eta:
            x = x + motion(s, t) * t * math.sqrt(1 - math.exp(-2 * eta * h)) * 1.1
        old, h_last = denoised, h
    run = dpmpp_sde.dpmpp_2m_sde(start * sigmas[0], sigmas, motion, eta=eta, s_noise=1.1, heun=heuns)
    check(drive(run, wavy), x, len(sigmas) - 1)


@STEPS
@ETAS
def test_dpmpp_3m_sde(sigmas: list[float], eta: float, drive: Any, wavy: Model, start: Tensor) -> None:
    x, seen = start * sigmas[0], []
    for s, t in pairwise(sigmas):
        denoised = wavy(x, s)
        if t == 0:
            x = denoised
            continue
        h = math.log(s / t)
        a = h * (1 + eta)
        x = math.exp(-a) * x + (1 - math.exp(-a)) * denoised
        phi_2 = (math.exp(-a) - 1) / a + 1
        phi_3 = phi_2 / a - 0.5
        if len(seen) == 1:
            x = x + phi_2 * (denoised - seen[0][0]) * h / seen[0][1]
        elif seen:
            # Newton's divided differences at the places 0, -r0, -(r0 + r1), in units of h.
            (one, h_1), (two, h_2) = seen[:2]
            r0, r1 = h_1 / h, h_2 / h
            first, second = (denoised - one) / r0, (one - two) / r1
            curve = (first - second) / (r0 + r1)
            x = x + phi_2 * (first + r0 * curve) - phi_3 * curve
        if eta:
            x = x + motion(s, t) * t * math.sqrt(1 - math.exp(-2 * eta * h)) * 1.1
        seen.insert(0, (denoised, h))
    run = dpmpp_sde.dpmpp_3m_sde(start * sigmas[0], sigmas, motion, eta=eta, s_noise=1.1)
    check(drive(run, wavy), x, len(sigmas) - 1)
