"""DPM-Solver with a fixed budget of evaluations, and with an adaptive step size.

Lu et al. 2022, "DPM-Solver". Times are t = -ln sigma; h is a step in t, eps = (x - D) / sigma.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import NamedTuple, TypeAlias

from torch import Tensor, linalg

from sdapi_compat.sampling.ask import Denoise, NoiseSource, SigmaSampler
from sdapi_compat.sampling.samplers.steps import ancestral_step, derivative, log_time, root

SigmaRange: TypeAlias = tuple[float, float]
"""The noise level to start from, and the lower one to end at; both above 0."""

_R1, _R2 = 1 / 3, 2 / 3
_ACCEPT = 0.81
_END_TOLERANCE = 1e-5


class Tolerance(NamedTuple):
    """How far the second- and third-order solutions may differ, and the first step in t."""

    rtol: float = 0.05
    atol: float = 0.0078
    h_init: float = 0.05


class _Span(NamedTuple):
    """A step of the solver from `t` to `end`, then noise of deviation `up`."""

    t: float
    end: float
    up: float

    @property
    def h(self) -> float:
        return self.end - self.t


def dpm_fast(
    x: Tensor, sigmas: SigmaRange, nfe: int, noise: NoiseSource, *, eta: float, s_noise: float
) -> SigmaSampler:
    """DPM-Solver-fast, section 3.4: `nfe` evaluations spent on third-order steps and a lower-order rest."""
    t_start, t_end = map(log_time, sigmas)
    orders = _orders(nfe)
    for i, order in enumerate(orders):
        span = _ancestral_span(*_subinterval(t_start, t_end, i, nfe // 3 + 1), t_end, eta)
        if order == 3:
            _, x_next = yield from _second_and_third_order(x, span, i)
        else:
            eps = yield from _eps(x, span.t, i)
            x_next = _first_order(x, span.t, span.h, eps)
            if order == 2:
                eps_mid = yield from _eps(_first_order(x, span.t, span.h / 2, eps), span.t + span.h / 2, i)
                x_next = _second_order(x_next, span, 1 / 2, eps_mid - eps)
        x = x_next + noise() * (span.up * s_noise) if eta else x_next
    return x


def dpm_adaptive(
    x: Tensor, sigmas: SigmaRange, noise: NoiseSource, *, eta: float, tolerance: Tolerance
) -> SigmaSampler:
    """DPM-Solver-23, appendix C: steps in t that keep the two embedded solutions within `tolerance`.

    Accepting a step takes a number from the device, once per three evaluations. The tolerance is that of the
    whole batch. `step` of the asks counts attempts.
    """
    s, t_end = map(log_time, sigmas)
    h, x_prev, i = tolerance.h_init, x, 0
    while s < t_end - _END_TOLERANCE:
        t = min(t_end, s + h)
        span = _ancestral_span(s, t, t_end, eta)
        x_low, x_high = yield from _second_and_third_order(x, span, i)
        error = _error(x_low, x_high, x_prev, tolerance)
        if not math.isfinite(error):
            return x_high  # no step size mends a broken model output; the caller sees the broken latents
        factor = 1 + math.atan((1 / (error + 1e-8)) ** (1 / (1.5 if eta else 3)) - 1)
        if factor >= _ACCEPT:
            x = x_high + noise() * span.up if eta else x_high
            x_prev, s = x_low, t
        h *= factor
        i += 1
    return x


def _orders(nfe: int) -> list[int]:
    if nfe < 1:
        return []
    m = nfe // 3 + 1
    return [3] * (m - 2) + [2, 1] if nfe % 3 == 0 else [3] * (m - 1) + [nfe % 3]


def _subinterval(start: float, end: float, i: int, m: int) -> tuple[float, float]:
    width = (end - start) / m
    return start + i * width, end if i + 1 == m else start + (i + 1) * width


def _ancestral_span(t: float, t_next: float, t_end: float, eta: float) -> _Span:
    """The solver's part of a step, past `t_next` but not past `t_end`, and the noise that brings it back."""
    if not eta:
        return _Span(t, t_next, 0.0)
    sigma_next = math.exp(-t_next)
    end = min(t_end, log_time(ancestral_step(math.exp(-t), sigma_next, eta).down))
    return _Span(t, end, root(sigma_next**2 - math.exp(-end) ** 2))


def _eps(x: Tensor, t: float, i: int) -> SigmaSampler:
    sigma = math.exp(-t)
    denoised = yield Denoise(x, sigma, i)
    return derivative(x, sigma, denoised)


def _second_and_third_order(
    x: Tensor, span: _Span, i: int
) -> Generator[Denoise, Tensor, tuple[Tensor, Tensor]]:
    """The solutions of order 2 and 3 at the end of a span (Algorithms 4 and 5) from three evaluations."""
    t, h = span.t, span.h
    eps = yield from _eps(x, t, i)
    eps_1 = yield from _eps(_first_order(x, t, _R1 * h, eps), t + _R1 * h, i)
    u_2 = _first_order(x, t, _R2 * h, eps) - _slope_weight(t, _R2 * h, _R1 / _R2) * (eps_1 - eps)
    eps_2 = yield from _eps(u_2, t + _R2 * h, i)
    x_1 = _first_order(x, t, h, eps)
    x_2 = _second_order(x_1, span, _R1, eps_1 - eps)
    return x_2, x_1 - _slope_weight(t, h, _R2) * (eps_2 - eps)


def _first_order(x: Tensor, t: float, h: float, eps: Tensor) -> Tensor:
    return x - math.exp(-t - h) * math.expm1(h) * eps


def _second_order(x_1: Tensor, span: _Span, r: float, difference: Tensor) -> Tensor:
    """Corrects a first-order result by the change of eps over the first `r` of the span."""
    return x_1 - math.exp(-span.end) / (2 * r) * math.expm1(span.h) * difference


def _slope_weight(t: float, h: float, r: float) -> float:
    """What the change of eps over the first `r` of a step weighs in its third-order result."""
    return math.exp(-t - h) / r * (math.expm1(h) / h - 1) if h else 0.0


def _error(x_low: Tensor, x_high: Tensor, x_prev: Tensor, tolerance: Tolerance) -> float:
    delta = (tolerance.rtol * x_low.abs().maximum(x_prev.abs())).clamp(min=tolerance.atol)
    return float(linalg.norm((x_low - x_high) / delta)) / math.sqrt(x_low.numel())
