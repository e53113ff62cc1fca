from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from sdapi_compat.sampling.samplers import heun

Model = Callable[[Tensor, float], Tensor]
Tape = Callable[[], Callable[[], Tensor]]


def karras(n: int, low: float, high: float) -> list[float]:
    return [(high ** (1 / 7) + i / (n - 1) * (low ** (1 / 7) - high ** (1 / 7))) ** 7 for i in range(n)]


def restart_steps(n: int) -> list[tuple[float, float]]:
    """The pairs of a restart run over n steps of a Karras schedule from 14.6 to 0.03."""
    inner, times = (0, 0) if n < 20 else (9, 1) if n < 36 else (n // 4, 2)
    main = [*karras(n - inner * times, 0.03, 14.6), 0.0]
    if not times:
        return list(pairwise(main))
    low = min(range(len(main)), key=lambda i: abs(main[i] - 0.1))
    high = min(range(len(main)), key=lambda i: abs(main[i] - 2.0))
    steps = list(pairwise(main[: low + 1]))
    for _ in range(times):
        steps += pairwise(karras(inner + 1, main[low], main[high]))
    return steps + list(pairwise(main[low:]))


@pytest.mark.parametrize("n", [1, 2, 3, 19, 20, 35, 36, 60])
def test_restart(n: int, drive: Any, wavy: Model, start: Tensor, tape: Tape) -> None:
    sigmas = [*(karras(n, 0.03, 14.6) if n > 1 else [14.6]), 0.0]
    steps = restart_steps(n) if n > 1 else [(14.6, 0.0)]
    x, noise, last = start * 14.6, tape(), None
    for s, t in steps:
        if last is not None and s > last * (1 + 1e-9):
            x = x + noise() * (s**2 - last**2) ** 0.5
        d = (x - wavy(x, s)) / s
        end = x + d * (t - s)
        x = end if t == 0 else x + (d + (end - wavy(end, t)) / t) / 2 * (t - s)
        last = t
    got = drive(heun.restart(start * 14.6, sigmas, tape()), wavy)
    assert len(got.asks) == 2 * len(steps) - 1
    assert torch.allclose(got.x, x, rtol=1e-3, atol=1e-3), "its levels are float32"


@pytest.mark.parametrize(("n", "steps"), [(20, 20), (36, 36), (50, 50)])
def test_restart_stays_within_its_budget(n: int, steps: int) -> None:
    path = heun.restart_path([*karras(n, 0.03, 14.6), 0.0])
    assert len(path) == steps
    rises = [(a, b) for (_, a), (b, _) in pairwise(path) if b > a]
    assert len(rises) == (1 if n < 36 else 2)
    assert all(0.05 < low < 0.2 < 1.0 < high < 3.5 for low, high in rises)


def test_restart_without_room_to_restart_is_heuns_method() -> None:
    sigmas = [*karras(20, 0.05, 0.09), 0.0]
    assert len(heun.restart_path(sigmas)) == 11
