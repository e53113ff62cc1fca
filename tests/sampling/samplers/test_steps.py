from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sdapi_compat.sampling.recipe import Churn
from sdapi_compat.sampling.samplers.steps import ancestral_step, churned, derivative, log_time, root


@settings(max_examples=40, deadline=None)
@given(st.floats(0.01, 100), st.floats(0, 1), st.floats(0, 1))
def test_an_ancestral_step_ends_at_its_level(sigma: float, share: float, eta: float) -> None:
    down, up = ancestral_step(sigma, sigma * share, eta)
    assert math.hypot(down, up) == pytest.approx(sigma * share, rel=1e-9, abs=1e-12)
    assert 0 <= up <= sigma * share


def test_ancestral_steps_by_hand() -> None:
    assert ancestral_step(4.0, 2.0, 0.0) == (2.0, 0.0)
    assert ancestral_step(4.0, 2.0, 1.0) == pytest.approx((1.0, math.sqrt(3)))
    assert ancestral_step(4.0, 0.0, 1.0) == (0.0, 0.0)
    assert ancestral_step(4.0, 2.0, 5.0) == (0.0, 2.0)
    assert ancestral_step(2.0, 2.0, 1.0) == (2.0, 0.0)


def test_derivative() -> None:
    assert derivative(torch.tensor(3.0), 2.0, torch.tensor(1.0)) == 1.0


def ones() -> Tensor:
    return torch.ones(1)


def test_churn_raises_the_level_and_adds_the_noise_of_the_difference() -> None:
    x, sigma = churned(torch.zeros(1), 2.0, 100, ones, Churn(s_churn=10.0, s_noise=1.5))
    assert sigma == pytest.approx(2.2)
    assert float(x) == pytest.approx(1.5 * math.sqrt(2.2**2 - 2.0**2))


def test_churn_has_an_upper_end() -> None:
    assert churned(torch.zeros(1), 2.0, 2, ones, Churn(s_churn=10.0)).sigma == pytest.approx(2 * math.sqrt(2))


@pytest.mark.parametrize("sigma", [0.4, 3.1])
def test_outside_its_limits_churn_only_draws(sigma: float) -> None:
    drawn = []

    def noise() -> Tensor:
        drawn.append(1)
        return torch.ones(1)

    x, level = churned(torch.zeros(1), sigma, 10, noise, Churn(s_churn=10.0, s_tmin=0.5, s_tmax=3.0))
    assert (float(x), level, len(drawn)) == (0.0, sigma, 1)


def test_without_churn_nothing_is_drawn() -> None:
    def noise() -> Tensor:
        raise AssertionError("drawn")

    assert churned(torch.zeros(1), 2.0, 10, noise, Churn()).sigma == 2.0


def test_log_time() -> None:
    assert log_time(math.e) == -1.0
    assert log_time(0.0) == math.inf


def test_root_forgives_rounding() -> None:
    assert root(-1e-18) == 0.0
    assert root(4.0) == 2.0
