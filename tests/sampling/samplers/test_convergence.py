"""The deterministic samplers against the exact solution of the probability flow ODE, and their orders."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sdapi_compat.sampling.noise_schedule import NoiseSchedule
from sdapi_compat.sampling.recipe import Churn, UniPCSettings
from sdapi_compat.sampling.samplers import (
    ddim,
    dpm2,
    dpm_solver,
    dpmpp,
    dpmpp_sde,
    euler,
    heun,
    lms,
    unipc,
)

HIGH, LOW = 10.0, 0.05


def silent() -> Tensor:
    raise AssertionError("a deterministic run drew noise")


def no_motion(sigma: float, sigma_next: float, /) -> Tensor:
    raise AssertionError("a deterministic run drew noise")


Sampler = Callable[[Tensor, list[float]], Any]

SAMPLERS: dict[str, tuple[Sampler, float]] = {
    "euler": (lambda x, s: euler.euler(x, s, silent, churn=Churn()), 1),
    "euler_ancestral": (lambda x, s: euler.euler_ancestral(x, s, silent, eta=0.0), 1),
    "heun": (lambda x, s: heun.heun(x, s, silent, churn=Churn()), 2),
    "dpm2": (lambda x, s: dpm2.dpm2(x, s, silent, churn=Churn()), 2),
    "dpm2_ancestral": (lambda x, s: dpm2.dpm2_ancestral(x, s, silent, eta=0.0, s_noise=1.0), 2),
    "lms": (lambda x, s: lms.lms(x, s), 2),
    "dpmpp_2m": (lambda x, s: dpmpp.dpmpp_2m(x, s), 2),
    "dpmpp_2s": (lambda x, s: dpmpp.dpmpp_2s_ancestral(x, s, silent, eta=0.0, s_noise=1.0), 2),
    "dpmpp_sde": (lambda x, s: dpmpp_sde.dpmpp_sde(x, s, no_motion, eta=0.0, s_noise=1.0), 2),
    "dpmpp_2m_sde": (
        lambda x, s: dpmpp_sde.dpmpp_2m_sde(x, s, no_motion, eta=0.0, s_noise=1.0, heun=False),
        2,
    ),
    "dpmpp_2m_sde_heun": (
        lambda x, s: dpmpp_sde.dpmpp_2m_sde(x, s, no_motion, eta=0.0, s_noise=1.0, heun=True),
        2,
    ),
    "dpmpp_3m_sde": (lambda x, s: dpmpp_sde.dpmpp_3m_sde(x, s, no_motion, eta=0.0, s_noise=1.0), 2),
    "dpm_fast": (
        lambda x, s: dpm_solver.dpm_fast(x, (s[0], s[-1]), 3 * len(s) - 2, silent, eta=0.0, s_noise=1.0),
        3,
    ),
}


def error(sampler: Sampler, n: int, drive: Any, gaussian: Any, exact: Any, start: Tensor) -> float:
    x = start * HIGH
    levels = np.geomspace(HIGH, LOW, n + 1).tolist()
    result = drive(sampler(x, levels), gaussian).x
    return float((result - exact(x, HIGH, LOW)).abs().max())


@pytest.mark.parametrize("name", list(SAMPLERS))
def test_order_of_convergence(name: str, drive: Any, gaussian: Any, exact: Any, start: Tensor) -> None:
    sampler, order = SAMPLERS[name]
    coarse = error(sampler, 40, drive, gaussian, exact, start)
    fine = error(sampler, 80, drive, gaussian, exact, start)
    assert fine < 0.05 * float(exact(start * HIGH, HIGH, LOW).abs().max())
    assert math.log2(coarse / fine) > order - 0.15


@pytest.mark.parametrize(("variant", "order"), [("bh1", 3), ("bh2", 3), ("bh1", 2), ("vary_coeff", 3)])
def test_unipc_converges(
    variant: str, order: int, drive: Any, gaussian: Any, exact: Any, start: Tensor, schedule: NoiseSchedule
) -> None:
    def err(n: int) -> float:
        settings = UniPCSettings(variant, "time_uniform", order, lower_order_final=False)
        x = drive(unipc.unipc(start, [1] * n, schedule, settings, from_noise=True), gaussian).x
        sigmas = schedule.sigmas.double()
        first, last = float(sigmas[-1]), float(sigmas[0])
        expected = exact(start * math.sqrt(1 + first**2), first, last) / math.sqrt(1 + last**2)
        return float((x - expected).abs().max())

    assert err(50) < 2e-3
    assert err(100) < err(50) / 3


@pytest.mark.parametrize(("sampler", "bound"), [("ddim", 0.03), ("plms", 0.003)])
def test_timestep_samplers_reach_the_first_time(
    sampler: str, bound: float, drive: Any, gaussian: Any, exact: Any, start: Tensor, schedule: NoiseSchedule
) -> None:
    times = list(range(1, 1000, 10))
    run = (
        ddim.plms(start, times, schedule)
        if sampler == "plms"
        else ddim.ddim(start, times, schedule, silent, eta=0.0)
    )
    first, last = float(schedule.sigmas[times[-1]]), float(schedule.sigmas[times[0]])
    expected = exact(start * math.sqrt(1 + first**2), first, last) / math.sqrt(1 + last**2)
    assert float((drive(run, gaussian).x - expected).abs().max()) < bound


def test_dpm_adaptive_keeps_its_tolerance(drive: Any, gaussian: Any, exact: Any, start: Tensor) -> None:
    x = start * HIGH
    loose, tight = (
        drive(
            dpm_solver.dpm_adaptive(
                x, (HIGH, LOW), silent, eta=0.0, tolerance=dpm_solver.Tolerance(rtol, rtol / 6)
            ),
            gaussian,
        )
        for rtol in (0.05, 0.001)
    )
    expected = exact(x, HIGH, LOW)
    assert float((loose.x - expected).abs().max()) < 0.02
    assert float((tight.x - expected).abs().max()) < 0.0005
    assert len(tight.asks) > len(loose.asks)


@pytest.mark.parametrize("name", list(SAMPLERS))
def test_the_end_at_zero_is_the_models_answer(name: str, drive: Any, start: Tensor) -> None:
    if name == "dpm_fast":
        pytest.skip("it ends above 0")
    target = torch.full_like(start, 0.7)
    result = drive(SAMPLERS[name][0](start * HIGH, [HIGH, 3.0, 1.0, 0.0]), lambda x, sigma: target).x
    assert torch.allclose(result, target)
