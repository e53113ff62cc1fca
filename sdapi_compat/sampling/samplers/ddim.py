"""DDIM, plain and with CFG++, and PLMS: samplers over the trained times.

`timesteps` are ascending. A1111 1.10.1 behaviour: the lowest time is reached but never evaluated, so L times
make L - 1 steps and the result keeps the noise of timesteps[0].
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from torch import Tensor

from sdapi_compat.sampling.ask import NoiseSource, PredictNoise, TimestepSampler
from sdapi_compat.sampling.noise_schedule import NoiseSchedule
from sdapi_compat.sampling.samplers.steps import root

# Adams-Bashforth weights, newest evaluation first.
_ADAMS_BASHFORTH = ((3 / 2, -1 / 2), (23 / 12, -16 / 12, 5 / 12), (55 / 24, -59 / 24, 37 / 24, -9 / 24))


class _Step(NamedTuple):
    """From time `t` (signal abar `a`) to `t_prev` (`a_prev`)."""

    i: int
    t: int
    t_prev: int
    a: float
    a_prev: float


def ddim(
    x: Tensor, timesteps: Sequence[int], schedule: NoiseSchedule, noise: NoiseSource, *, eta: float
) -> TimestepSampler:
    """Song et al. 2021, "Denoising Diffusion Implicit Models", equation 12."""
    for step in _steps(timesteps, schedule):
        prediction = yield PredictNoise(x, step.t, step.i)
        x = _denoise(x, step, prediction.eps, prediction.eps, eta)
        x = x + noise() * _sigma(step, eta) if eta else x
    return x


def ddim_cfgpp(
    x: Tensor, timesteps: Sequence[int], schedule: NoiseSchedule, noise: NoiseSource, *, eta: float
) -> TimestepSampler:
    """Chung et al. 2024, "CFG++", Algorithm 2: guided x0, but renoised with the unconditional noise."""
    for step in _steps(timesteps, schedule):
        prediction = yield PredictNoise(x, step.t, step.i)
        x = _denoise(x, step, prediction.eps, prediction.uncond, eta)
        x = x + noise() * _sigma(step, eta) if eta else x
    return x


def plms(x: Tensor, timesteps: Sequence[int], schedule: NoiseSchedule) -> TimestepSampler:
    """Liu et al. 2022, "Pseudo Numerical Methods for Diffusion Models", the linear multistep method (S-PNDM).

    The first step is a pseudo improved Euler step, with a second evaluation at its end.
    """
    history: deque[Tensor] = deque(maxlen=len(_ADAMS_BASHFORTH))
    for step in _steps(timesteps, schedule):
        e_t = (yield PredictNoise(x, step.t, step.i)).eps
        if not history:
            ahead = yield PredictNoise(_denoise(x, step, e_t, e_t, 0.0), step.t_prev, step.i)
            e_prime = (e_t + ahead.eps) / 2
        else:
            newest_first = (e_t, *history)
            weights = _ADAMS_BASHFORTH[len(history) - 1]
            e_prime = sum_weighted(newest_first, weights)
        x = _denoise(x, step, e_prime, e_prime, 0.0)
        history.appendleft(e_t)
    return x


def sum_weighted(tensors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """The weighted sum of tensors of one shape."""
    total = tensors[0] * weights[0]
    for tensor, weight in zip(tensors[1:], weights[1:], strict=True):
        total = total + tensor * weight
    return total


def _steps(timesteps: Sequence[int], schedule: NoiseSchedule) -> Iterator[_Step]:
    descending = list(reversed(timesteps))
    for i, (t, t_prev) in enumerate(pairwise(descending)):
        yield _Step(i, t, t_prev, schedule.alpha_bar(t), schedule.alpha_bar(t_prev))


def _sigma(step: _Step, eta: float) -> float:
    """Equation 16."""
    return eta * root((1 - step.a_prev) / (1 - step.a) * (1 - step.a / step.a_prev))


def _denoise(x: Tensor, step: _Step, eps: Tensor, direction: Tensor, eta: float) -> Tensor:
    """Equation 12 without its noise: x0 predicted with `eps`, moved to the next time along `direction`."""
    pred_x0 = (x - math.sqrt(1 - step.a) * eps) / math.sqrt(step.a)
    return math.sqrt(step.a_prev) * pred_x0 + root(1 - step.a_prev - _sigma(step, eta) ** 2) * direction
