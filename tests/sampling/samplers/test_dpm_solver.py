from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from sdapi_compat.sampling.samplers import dpm_solver

Model = Callable[[Tensor, float], Tensor]
Tape = Callable[[], Callable[[], Tensor]]


@pytest.mark.parametrize("nfe", [1, 2, 3, 4, 5, 6, 20])
@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_dpm_fast_spends_its_budget(
    nfe: int, eta: float, drive: Any, gaussian: Model, start: Tensor, tape: Tape
) -> None:
    run = dpm_solver.dpm_fast(start * 10, (10.0, 0.05), nfe, tape(), eta=eta, s_noise=1.0)
    got = drive(run, gaussian)
    assert len(got.asks) == nfe
    assert got.asks[0].sigma == pytest.approx(10.0)
    assert all(ask.sigma >= 0.05 for ask in got.asks)
    assert got.x.isfinite().all()


def test_dpm_fast_with_nothing_to_spend(drive: Any, gaussian: Model, start: Tensor, tape: Tape) -> None:
    run = dpm_solver.dpm_fast(start, (0.0, 0.0), 0, tape(), eta=1.0, s_noise=1.0)
    assert torch.equal(drive(run, gaussian).x, start)


def test_dpm_fast_scales_its_noise(drive: Any, start: Tensor, tape: Tape) -> None:
    def run(s_noise: float) -> Tensor:
        sampler = dpm_solver.dpm_fast(start * 10, (10.0, 0.05), 4, tape(), eta=1.0, s_noise=s_noise)
        result: Tensor = drive(sampler, lambda x, sigma: torch.zeros_like(x)).x
        return result

    # With D = 0 everything is linear, so the noise's share is linear in s_noise.
    assert torch.allclose(run(2.0) - run(0.0), 2 * (run(1.0) - run(0.0)))
    assert not torch.allclose(run(1.0), run(0.0))


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_dpm_adaptive_ends_at_its_end(eta: float, drive: Any, wavy: Model, start: Tensor, tape: Tape) -> None:
    run = dpm_solver.dpm_adaptive(start * 10, (10.0, 0.05), tape(), eta=eta, tolerance=dpm_solver.Tolerance())
    got = drive(run, wavy)
    assert len(got.asks) % 3 == 0
    assert [ask.step for ask in got.asks[:6]] == [0, 0, 0, 1, 1, 1]
    assert min(ask.sigma for ask in got.asks) >= 0.05
    assert got.x.isfinite().all()


def test_dpm_adaptive_gives_up_on_a_broken_model(drive: Any, start: Tensor, tape: Tape) -> None:
    run = dpm_solver.dpm_adaptive(start * 10, (10.0, 0.05), tape(), eta=1.0, tolerance=dpm_solver.Tolerance())
    got = drive(run, lambda x, sigma: x * math.nan)
    assert got.x.isnan().all()
    assert len(got.asks) == 3
