from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sdapi_compat.sampling.noise_schedule import (
    ZERO_SNR_LAST,
    LCMSchedule,
    NoiseSchedule,
    downcast,
    scaled_linear_alphas_cumprod,
    zero_terminal_snr,
)

ABAR = scaled_linear_alphas_cumprod()
SD = NoiseSchedule(ABAR)
LCM = LCMSchedule(ABAR)


def test_stable_diffusions_ends() -> None:
    assert SD.sigma_min == pytest.approx(0.0291675, abs=1e-7)
    assert SD.sigma_max == pytest.approx(14.614642, abs=1e-5)
    assert ABAR.dtype == torch.float32
    assert float(ABAR[0]) == pytest.approx(1 - 0.00085, abs=1e-7)


def test_alphas_cumprod_against_numpy() -> None:
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    assert np.allclose(ABAR.numpy(), np.cumprod(1 - betas), rtol=1e-6)


def test_sigma_is_the_noise_to_signal_ratio() -> None:
    abar = ABAR.double()
    assert torch.allclose(SD.sigmas.double(), ((1 - abar) / abar).sqrt(), rtol=1e-4)
    assert SD.alpha_bar(500) == float(ABAR[500])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 999))
def test_whole_times_are_table_entries(t: int) -> None:
    assert float(SD.t_to_sigma(torch.tensor(t))) == pytest.approx(float(SD.sigmas[t]), rel=1e-6)
    assert SD.sigma_to_t(float(SD.sigmas[t])) == pytest.approx(t, abs=2e-3)


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 999))
def test_time_survives_the_way_through_sigma(t: float) -> None:
    assert SD.sigma_to_t(float(SD.t_to_sigma(torch.tensor(t)))) == pytest.approx(t, abs=2e-2)


def test_between_times_sigma_is_log_linear() -> None:
    middle = float(SD.t_to_sigma(torch.tensor(500.5)))
    assert middle == pytest.approx(math.sqrt(float(SD.sigmas[500] * SD.sigmas[501])), rel=1e-6)


@pytest.mark.parametrize(("sigma", "t"), [(1e-3, 0.0), (1e3, 999.0)])
def test_levels_outside_the_table_are_held_at_its_ends(sigma: float, t: float) -> None:
    assert SD.sigma_to_t(sigma) == t


def test_the_ends_map_exactly() -> None:
    assert SD.sigma_to_t(SD.sigma_min) == 0.0
    assert SD.sigma_to_t(SD.sigma_max) == 999.0


@settings(max_examples=40, deadline=None)
@given(st.floats(0.03, 14.6))
def test_quantised_time_is_the_nearest_whole_one(sigma: float) -> None:
    t = NoiseSchedule(ABAR, quantize=True).sigma_to_t(sigma)
    assert t == int(t)
    assert abs(t - SD.sigma_to_t(sigma)) <= 0.51


def test_uniform_sigmas() -> None:
    sigmas = SD.uniform_sigmas(4)
    expected = [float(SD.t_to_sigma(torch.tensor(t))) for t in (999.0, 666.0, 333.0, 0.0)]
    assert sigmas.tolist() == pytest.approx([*expected, 0.0])
    assert SD.uniform_sigmas(1).tolist() == pytest.approx([SD.sigma_max, 0.0])
    assert SD.uniform_sigmas(0).tolist() == [0.0]


def test_a_half_precision_table_is_computed_in_half_precision() -> None:
    half = NoiseSchedule(downcast(ABAR))
    abar = ABAR.half()
    assert half.sigmas.dtype == torch.float32
    assert torch.equal(half.sigmas, (((1 - abar) / abar) ** 0.5).float())
    assert half.alpha_bar(500) == float(abar[500])
    assert 0 < abs(half.sigma_max - SD.sigma_max) < 0.05


def test_zero_terminal_snr() -> None:
    abar = zero_terminal_snr(ABAR)
    root = ABAR.double().sqrt()
    expected = ((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2
    assert torch.allclose(abar[:-1].double(), expected[:-1], rtol=1e-3, atol=1e-7)
    assert float(abar[-1]) == pytest.approx(ZERO_SNR_LAST)
    assert float(abar[0]) == pytest.approx(float(ABAR[0]), rel=1e-6)
    assert NoiseSchedule(abar).sigma_max == pytest.approx(4518.76, rel=1e-3)
    assert torch.equal(ABAR, scaled_linear_alphas_cumprod()), "the argument is left alone"


def test_zero_terminal_snr_of_a_half_precision_table_stays_finite() -> None:
    sigmas = NoiseSchedule(zero_terminal_snr(downcast(ABAR))).sigmas
    assert sigmas.isfinite().all()
    assert float(sigmas[-1]) == pytest.approx(4518.76, rel=1e-3)


def test_lcm_table_holds_every_twentieth_time() -> None:
    assert torch.equal(LCM.sigmas, SD.sigmas[19::20])
    assert len(LCM.sigmas) == 50


@pytest.mark.parametrize("k", [0, 1, 25, 49])
def test_lcm_times_are_the_models(k: int) -> None:
    assert LCM.sigma_to_t(float(SD.sigmas[20 * k + 19])) == 20 * k + 19
    assert float(LCM.t_to_sigma(torch.tensor(20.0 * k + 19))) == pytest.approx(float(LCM.sigmas[k]))


@settings(max_examples=40, deadline=None)
@given(st.floats(0.01, 20.0))
def test_lcm_time_is_the_nearest_distilled_one(sigma: float) -> None:
    t = LCM.sigma_to_t(sigma)
    distances = {20 * k + 19: abs(math.log(float(LCM.sigmas[k])) - math.log(sigma)) for k in range(50)}
    assert distances[int(t)] == pytest.approx(min(distances.values()), abs=1e-6)


def test_lcm_times_below_the_first_are_held() -> None:
    assert float(LCM.t_to_sigma(torch.tensor(3.0))) == pytest.approx(LCM.sigma_min)


def test_lcm_uniform_sigmas_may_fall_between_the_table() -> None:
    sigmas = LCM.uniform_sigmas(4)
    times = torch.linspace(999, 19, 4)
    index = (times - 19) / 20
    logs = np.interp(index.numpy(), np.arange(50), LCM.log_sigmas.numpy())
    assert sigmas.tolist() == pytest.approx([*np.exp(logs), 0.0], rel=1e-5)
    assert LCM.uniform_sigmas(50)[:-1].flip(0).tolist() == pytest.approx(LCM.sigmas.tolist(), rel=1e-5)
