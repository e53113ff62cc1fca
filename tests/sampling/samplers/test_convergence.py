"""The deterministic samplers against the exact solution of the probability flow ODE, and their orders."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

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
        lambda x, s: dpm_solver.dpm_fast(x, (s[0], s[-1]), 3 * len(s) - 4, silent, eta=0.0, s_noise=1.0),
        3,
    ),
}


class Toy(NamedTuple):
    """A model whose ODE has a known solution: `exact(x, from, to)`."""

    drive: Any
    gaussian: Any
    exact: Any
    start: Tensor
    schedule: NoiseSchedule

    def error_at_low(self, sampler: Any) -> float:
        """Of a sampler from HIGH to LOW."""
        return self.off(self.drive(sampler, self.gaussian).x, self.exact(self.start * HIGH, HIGH, LOW))

    def error_at_time(self, sampler: Any, first: int, last: int) -> float:
        """Of a sampler of the timestep family, in its variance preserving form."""
        high, low = float(self.schedule.sigmas[first]), float(self.schedule.sigmas[last])
        expected = self.exact(self.start * math.sqrt(1 + high**2), high, low) / math.sqrt(1 + low**2)
        return self.off(self.drive(sampler, self.gaussian).x, expected)

    @staticmethod
    def off(x: Tensor, expected: Tensor) -> float:
        return float((x - expected).abs().max())


@pytest.fixture
def toy(drive: Any, gaussian: Any, exact: Any, start: Tensor, schedule: NoiseSchedule) -> Toy:
    return Toy(drive, gaussian, exact, start, schedule)


@pytest.mark.parametrize("name", list(SAMPLERS))
def test_order_of_convergence(name: str, toy: Toy) -> None:
    sampler, order = SAMPLERS[name]

    def error(n: int) -> float:
        return toy.error_at_low(sampler(toy.start * HIGH, np.geomspace(HIGH, LOW, n + 1).tolist()))

    assert error(80) < 0.05
    assert math.log2(error(40) / error(80)) > order - 0.15


@pytest.mark.parametrize(
    ("variant", "order", "expected"),
    [
        ("bh1", 3, 3),
        ("bh2", 3, 3),
        ("bh1", 2, 2),
        ("bh2", 2, 2),
        ("vary_coeff", 3, 1),  # all that the published corrector's last weight leaves of it
    ],
)
def test_unipc_converges(variant: str, order: int, expected: float, toy: Toy) -> None:
    settings = UniPCSettings(variant, "logSNR", order, lower_order_final=False)

    def error(n: int) -> float:
        run = unipc.unipc(toy.start, [1] * n, toy.schedule, settings, from_noise=True)
        return toy.error_at_time(run, 999, 0)

    assert error(80) < 0.05
    assert math.log2(error(40) / error(80)) > expected - 0.3


@pytest.mark.parametrize(("sampler", "bound", "order"), [("ddim", 0.05, 0.9), ("plms", 0.005, 1.5)])
def test_timestep_samplers_converge_to_the_first_time(
    sampler: str, bound: float, order: float, toy: Toy
) -> None:
    def error(stride: int) -> float:
        times = list(range(1, 1000, stride))
        plms = ddim.plms(toy.start, times, toy.schedule)
        run = plms if sampler == "plms" else ddim.ddim(toy.start, times, toy.schedule, silent, eta=0.0)
        return toy.error_at_time(run, times[-1], times[0])

    assert error(10) < bound
    assert math.log2(error(10) / error(5)) > order


def test_dpm_adaptive_keeps_its_tolerance(toy: Toy) -> None:
    def run(rtol: float) -> Any:
        tolerance = dpm_solver.Tolerance(rtol, rtol / 6)
        return dpm_solver.dpm_adaptive(toy.start * HIGH, (HIGH, LOW), silent, eta=0.0, tolerance=tolerance)

    assert toy.error_at_low(run(0.05)) < 0.1
    assert toy.error_at_low(run(0.0001)) < 0.005
    assert len(toy.drive(run(0.0001), toy.gaussian).asks) > len(toy.drive(run(0.05), toy.gaussian).asks)


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name != "dpm_fast"])
def test_the_end_at_zero_is_the_models_answer(name: str, drive: Any, start: Tensor) -> None:
    target = torch.full_like(start, 0.7)
    result = drive(SAMPLERS[name][0](start * HIGH, [HIGH, 3.0, 1.0, 0.0]), lambda x, sigma: target).x
    assert torch.allclose(result, target)
