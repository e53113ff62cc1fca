from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from sdapi_compat.sampling.ask import NoisePrediction
from sdapi_compat.sampling.noise_schedule import NoiseSchedule
from sdapi_compat.sampling.samplers import ddim

Model = Callable[[Tensor, float], Tensor]
Tape = Callable[[], Callable[[], Tensor]]


TIMES = [[1], [1, 501], [1, 334, 667], list(range(1, 1000, 50))]


@pytest.mark.parametrize("times", TIMES, ids=len)
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("plus", [False, True])
def test_ddim(times: list[int], eta: float, plus: bool, drive: Any, wavy: Model, tape: Tape) -> None:
    schedule = NoiseSchedule(torch.linspace(0.999, 0.005, 1000))
    abar = schedule.alphas_cumprod.double()
    x, noise = tape()(), tape()
    begin = x
    asks = []
    for t, s in pairwise(times[::-1]):
        asks.append(float(t))
        a, b = float(abar[t]), float(abar[s])
        level = ((1 - a) / a) ** 0.5
        eps = (x / a**0.5 - wavy(x / a**0.5, level)) / level
        deviation = eta * math.sqrt((1 - b) / (1 - a) * (1 - a / b))
        x0 = (x - (1 - a) ** 0.5 * eps) / a**0.5
        x = b**0.5 * x0 + (1 - b - deviation**2) ** 0.5 * (0.9 * eps if plus else eps)
        if eta:
            x = x + deviation * noise()
    sampler = (ddim.ddim_cfgpp if plus else ddim.ddim)(begin, times, schedule, tape(), eta=eta)
    got = drive_noise(sampler, abar, wavy)
    check(got, x, len(times) - 1)
    assert [ask.timestep for ask in got.asks] == asks


def drive_noise(sampler: Any, abar: Tensor, model: Model) -> Any:
    """Like the `drive` fixture, for another table."""
    asks = []
    try:
        ask = next(sampler)
        while True:
            asks.append(ask)
            a = float(abar[int(ask.timestep)])
            level = ((1 - a) / a) ** 0.5
            eps = (ask.x / a**0.5 - model(ask.x / a**0.5, level)) / level
            ask = sampler.send(NoisePrediction(eps, 0.9 * eps))
    except StopIteration as stop:
        return SimpleNamespace(x=stop.value, asks=asks)


@pytest.mark.parametrize("times", TIMES, ids=len)
def test_plms(times: list[int], wavy: Model, tape: Tape) -> None:
    schedule = NoiseSchedule(torch.linspace(0.999, 0.005, 1000))
    abar = schedule.alphas_cumprod.double()
    begin = tape()()

    def eps(x: Tensor, t: int) -> Tensor:
        a = float(abar[t])
        level = ((1 - a) / a) ** 0.5
        return (x / a**0.5 - wavy(x / a**0.5, level)) / level

    def move(x: Tensor, e: Tensor, t: int, s: int) -> Tensor:
        a, b = float(abar[t]), float(abar[s])
        return b**0.5 * (x - (1 - a) ** 0.5 * e) / a**0.5 + (1 - b) ** 0.5 * e

    x, old, calls = begin, [], 0
    for t, s in pairwise(times[::-1]):
        e = eps(x, t)
        calls += 1
        if not old:
            prime = (e + eps(move(x, e, t, s), s)) / 2
            calls += 1
        elif len(old) == 1:
            prime = (3 * e - old[-1]) / 2
        elif len(old) == 2:
            prime = (23 * e - 16 * old[-1] + 5 * old[-2]) / 12
        else:
            prime = (55 * e - 59 * old[-1] + 37 * old[-2] - 9 * old[-3]) / 24
        x = move(x, prime, t, s)
        old.append(e)
    check(drive_noise(ddim.plms(begin, times, schedule), abar, wavy), x, calls)


def check(got: Any, expected: Tensor, calls: int) -> None:
    assert torch.allclose(got.x, expected, rtol=1e-6, atol=1e-6)
    assert len(got.asks) == calls


def test_one_time_makes_no_step(tape: Tape, schedule: NoiseSchedule, drive: Any, wavy: Model) -> None:
    x = tape()()
    for sampler in (
        ddim.ddim(x, [1], schedule, tape(), eta=1.0),
        ddim.ddim_cfgpp(x, [], schedule, tape(), eta=1.0),
        ddim.plms(x, [1], schedule),
    ):
        assert torch.equal(drive(sampler, wavy).x, x)
