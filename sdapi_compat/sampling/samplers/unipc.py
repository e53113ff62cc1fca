"""UniPC: Zhao et al. 2023, "UniPC: A Unified Predictor-Corrector Framework".

Data prediction, multistep. Symbols of the paper: lambda is half the log signal-to-noise ratio, h a step in
it, r_m the places of earlier evaluations in units of h, D_m their differences, B(h) the function that names
the variant.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sdapi_compat.sampling.ask import PredictNoise, TimestepSampler
from sdapi_compat.sampling.noise_schedule import NoiseSchedule
from sdapi_compat.sampling.recipe import UniPCSettings
from sdapi_compat.sampling.samplers.ddim import sum_weighted

Vector: TypeAlias = NDArray[np.float64]


class _Point(NamedTuple):
    """A time in (0, 1] and what the schedule says there: signal alpha, noise sigma, lambda."""

    t: float
    alpha: float
    sigma: float
    lam: float


class _Evaluation(NamedTuple):
    """The model's x0 at a point."""

    lam: float
    x0: Tensor


class _Weights(NamedTuple):
    """What the differences D_m weigh in the prediction; in the correction, where the newest comes last."""

    predictor: list[float]
    corrector: list[float]


class ContinuousSchedule:
    """A discrete schedule as functions of time: t_i = (i + 1) / N, log alpha linear in between."""

    def __init__(self, schedule: NoiseSchedule) -> None:
        abar = schedule.alphas_cumprod.double().numpy()
        self.n = len(abar)
        self._t: Vector = np.arange(1, self.n + 1) / self.n
        self._log_alpha: Vector = 0.5 * np.log(abar)

    def at(self, t: float) -> _Point:
        log_alpha = float(np.interp(t, self._t, self._log_alpha))
        sigma = math.sqrt(-math.expm1(2 * log_alpha))
        return _Point(t, math.exp(log_alpha), sigma, log_alpha - math.log(sigma))

    def inverse_lambda(self, lam: Vector) -> Vector:
        log_alpha = -0.5 * np.logaddexp(0.0, -2.0 * lam)
        times: Vector = np.interp(log_alpha, self._log_alpha[::-1], self._t[::-1])
        return times


def unipc(
    x: Tensor, timesteps: Sequence[int], schedule: NoiseSchedule, settings: UniPCSettings, *, from_noise: bool
) -> TimestepSampler:
    """UniP-p and UniC-p in turn, p = settings.order, len(timesteps) steps; the last is not corrected.

    Starts at time 1 `from_noise`, else at timesteps[-1]. Of `timesteps` only the number and the last count.
    An order above the number of steps is lowered to it (A1111 1.10.1 fails there).
    Raises ValueError for an unknown variant or skip_type.
    """
    steps = len(timesteps)
    if steps == 0:
        return x
    order = min(settings.order, steps)
    continuous = ContinuousSchedule(schedule)
    start = 1.0 if from_noise else (timesteps[-1] + 1) / continuous.n
    times = skip_times(settings.skip_type, continuous, start, steps)
    points = [continuous.at(float(t)) for t in times]
    x0 = yield from _data_prediction(x, points[0], continuous.n, 0)
    history = [_Evaluation(points[0].lam, x0)]  # newest first
    for i in range(1, steps + 1):
        p = min(order, steps + 1 - i) if settings.lower_order_final and i >= order else min(order, i)
        here, there = points[i - 1], points[i]
        h = there.lam - here.lam
        rks = [(past.lam - here.lam) / h for past in history[1:p]]
        m_0 = history[0].x0
        differences = [(past.x0 - m_0) / rk for past, rk in zip(history[1:p], rks, strict=True)]
        weights = _weights(settings.variant, -h, rks)
        base = (there.sigma / here.sigma) * x - (there.alpha * math.expm1(-h)) * m_0
        x = _corrected(base, there.alpha, differences, weights.predictor)
        if i < steps:
            x0 = yield from _data_prediction(x, there, continuous.n, i)
            x = _corrected(base, there.alpha, [*differences, x0 - m_0], weights.corrector)
            history = [_Evaluation(there.lam, x0), *history][:order]
    return x


def skip_times(skip_type: str, schedule: ContinuousSchedule, start: float, steps: int) -> Vector:
    """`steps` + 1 times from `start` down to the first of the schedule.

    Raises ValueError for an unknown type.
    """
    end = 1 / schedule.n
    times: Vector
    if skip_type == "time_uniform":
        times = np.linspace(start, end, steps + 1)
    elif skip_type == "time_quadratic":
        times = np.linspace(math.sqrt(start), math.sqrt(end), steps + 1) ** 2
    elif skip_type == "logSNR":
        times = schedule.inverse_lambda(np.linspace(schedule.at(start).lam, schedule.at(end).lam, steps + 1))
    else:
        raise ValueError(f"uni_pc_skip_type is time_uniform, time_quadratic or logSNR, not {skip_type!r}")
    return times


def _data_prediction(x: Tensor, point: _Point, n: int, i: int) -> TimestepSampler:
    # A1111 1.10.1 numbers the times of the continuous schedule from 0, as the model's own are.
    prediction = yield PredictNoise(x, (point.t - 1 / n) * n, i)
    return (x - point.sigma * prediction.eps) / point.alpha


def _corrected(base: Tensor, alpha: float, differences: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    if not differences:
        return base
    return base - alpha * sum_weighted(differences, weights)


def _weights(variant: str, hh: float, rks: Sequence[float]) -> _Weights:
    r = np.array([*rks, 1.0])
    if variant == "bh1":
        return _bh_weights(hh, r, hh)
    if variant == "bh2":
        return _bh_weights(math.expm1(hh), r, hh)
    if variant == "vary_coeff":
        return _varying_weights(r, hh)
    raise ValueError(f"uni_pc_variant is bh1, bh2 or vary_coeff, not {variant!r}")


def _bh_weights(b_h: float, r: Vector, hh: float) -> _Weights:
    """Theorem 3.1: solve R a = b. Where one difference is all there is, the weight is 1/2."""
    p = len(r)
    matrix = np.vander(r, p, increasing=True).T
    b = np.array([phi * math.factorial(k) for k, phi in enumerate(_phis(hh, p + 1)[1:], start=1)]) / b_h
    predictor = np.array([0.5]) if p == 2 else np.linalg.solve(matrix[:-1, :-1], b[:-1])
    corrector = np.array([0.5]) if p == 1 else np.linalg.solve(matrix, b)
    return _Weights((predictor * b_h).tolist(), (corrector * b_h).tolist())


def _varying_weights(r: Vector, hh: float) -> _Weights:
    """Appendix D (UniPC_v), with the published code's weight for the newest difference of the corrector."""
    p = len(r)
    factorials = np.array([math.factorial(k + 1) for k in range(p)])
    matrix = np.vander(r, p, increasing=True) / factorials
    phis = np.array(_phis(hh, p + 1))
    inverse = np.linalg.inv(matrix)
    predictor = phis[1:p] @ np.linalg.inv(matrix[:-1, :-1])
    earlier = phis[1:p] @ inverse[: p - 1, :-1]
    newest = phis[p] * inverse[max(p - 2, 0), -1]
    return _Weights(predictor.tolist(), [*earlier.tolist(), float(newest)])


def _phis(hh: float, count: int) -> list[float]:
    """hh * phi_k(hh) for k = 1..count: phi_{k+1}(z) = (phi_k(z) - 1 / k!) / z."""
    phis = [math.expm1(hh)]
    for k in range(1, count):
        phis.append(phis[-1] / hh - 1 / math.factorial(k))
    return phis
