from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from sdapi_compat.sampling import schedules
from sdapi_compat.sampling.noise_schedule import LCMSchedule, NoiseSchedule, scaled_linear_alphas_cumprod
from sdapi_compat.sampling.recipe import SigmaRecipe
from sdapi_compat.sampling.schedules import SigmaPlan, sigma_plan
from sdapi_compat.sampling.table import SAMPLERS, SCHEDULERS

SD = NoiseSchedule(scaled_linear_alphas_cumprod())
LOW, HIGH = SD.sigma_min, SD.sigma_max
LABELS = [spec.label for spec in SCHEDULERS]


def plan(sampler: str = "Euler", scheduler: str | None = None, steps: int = 10, **fields: Any) -> SigmaPlan:
    return sigma_plan(SigmaRecipe(sampler=sampler, scheduler=scheduler, steps=steps, **fields), SD)


def model_levels(times: np.ndarray[Any, Any]) -> list[float]:
    """exp of the table's log sigma, linear between its entries, in float64."""
    logs = np.interp(times, np.arange(1000), np.log(SD.sigmas.double().numpy()))
    return list(np.exp(logs))


def test_karras() -> None:
    ramp = np.linspace(0, 1, 10)
    low, high = LOW ** (1 / 7), HIGH ** (1 / 7)
    expected = (high + ramp * (low - high)) ** 7
    assert plan(scheduler="Karras").sigmas == pytest.approx([*expected, 0.0], rel=1e-5)


def test_exponential() -> None:
    expected = np.geomspace(HIGH, LOW, 10)
    assert plan(scheduler="Exponential").sigmas == pytest.approx([*expected, 0.0], rel=1e-5)


def test_polyexponential_with_rho_one_is_exponential() -> None:
    assert plan(scheduler="Polyexponential").sigmas == pytest.approx(
        plan(scheduler="Exponential").sigmas, rel=1e-5
    )


def test_polyexponential() -> None:
    expected = np.exp(np.linspace(1, 0, 10) ** 2 * (math.log(HIGH) - math.log(LOW)) + math.log(LOW))
    assert plan(scheduler="Polyexponential", rho=2.0).sigmas == pytest.approx([*expected, 0.0], rel=1e-5)


@pytest.mark.parametrize("scheduler", ["Uniform", "Automatic", None, "unknown", "automatic"])
def test_uniform_in_time(scheduler: str | None) -> None:
    expected = model_levels(np.linspace(999, 0, 10))
    assert plan(scheduler=scheduler).sigmas == pytest.approx([*expected, 0.0], rel=1e-5)


def test_normal() -> None:
    expected = model_levels(np.linspace(999, 0, 10))
    assert plan(scheduler="Normal").sigmas == pytest.approx([*expected, 0.0], rel=1e-5)


def test_sgm_uniform_stops_one_stride_early() -> None:
    expected = model_levels(np.linspace(999, 0, 11)[:-1])
    assert plan(scheduler="SGM Uniform").sigmas == pytest.approx([*expected, 0.0], rel=1e-5)


def test_kl_optimal_has_no_zero() -> None:
    fraction = np.arange(11) / 10
    expected = np.tan(fraction * math.atan(LOW) + (1 - fraction) * math.atan(HIGH))
    sigmas = plan(scheduler="KL Optimal").sigmas
    assert sigmas == pytest.approx(list(expected), rel=1e-4)
    assert sigmas[-1] == pytest.approx(LOW, rel=1e-4)


def test_align_your_steps_at_its_own_length() -> None:
    assert plan(scheduler="Align Your Steps", steps=11).sigmas[:3] == pytest.approx([14.615, 6.475, 3.861])
    assert plan(scheduler="Align Your Steps", steps=11, sdxl=True).sigmas[:3] == pytest.approx(
        [14.615, 6.315, 3.771]
    )


def test_align_your_steps_interpolates_log_linearly() -> None:
    # At twice the density every second level is one of the eleven, and the others are geometric means.
    eleven = plan(scheduler="Align Your Steps", steps=11).sigmas[:-1]
    twenty_one = plan(scheduler="Align Your Steps", steps=21).sigmas
    assert twenty_one[:-1:2] == pytest.approx(eleven, rel=1e-5)
    means = [math.sqrt(a * b) for a, b in pairwise(eleven)]
    assert twenty_one[1:-1:2] == pytest.approx(means, rel=1e-5)
    assert twenty_one[-1] == 0


def test_align_your_steps_with_one_step_takes_the_lowest_level() -> None:
    assert plan(scheduler="Align Your Steps", steps=1).sigmas == pytest.approx([0.029, 0.0])


def test_simple() -> None:
    table = SD.sigmas.tolist()
    assert plan(scheduler="Simple", steps=3).sigmas == [table[-1], table[-334], table[-667], 0.0]


@pytest.mark.parametrize(("steps", "levels"), [(20, 20), (30, 31), (1, 1), (3, 3), (1500, 999)])
def test_ddim_may_take_another_number_of_steps(steps: int, levels: int) -> None:
    sigmas = plan(scheduler="DDIM", steps=steps).sigmas
    assert len(sigmas) == levels + 1
    assert sigmas[-2:] == [float(SD.sigmas[1]), 0.0]


def test_beta() -> None:
    quantiles = scipy.stats.beta.ppf(1 - np.linspace(0, 1, 10), 0.4, 0.9)
    expected = LOW + quantiles * (HIGH - LOW)
    chosen = plan(scheduler="Beta", beta_dist_alpha=0.4, beta_dist_beta=0.9)
    assert chosen.sigmas == pytest.approx([*expected, 0.0], rel=1e-5)
    assert chosen.infotext == {
        "Schedule type": "Beta",
        "Beta schedule alpha": 0.4,
        "Beta schedule beta": 0.9,
    }


def test_automatic_is_the_samplers_default() -> None:
    assert plan("DPM++ 2M").sigmas == plan(scheduler="Karras").sigmas
    assert plan("DPM++ 2M").infotext == {"Schedule type": "Karras"}
    assert plan("DPM++ 2M SDE").infotext == {"Schedule type": "Exponential"}
    assert plan("Euler").infotext == {}


def test_schedulers_go_by_name_or_label() -> None:
    assert plan(scheduler="sgm_uniform") == plan(scheduler="SGM Uniform")


def test_the_options_bound_the_levels_and_are_mentioned() -> None:
    chosen = plan(scheduler="Karras", sigma_min=0.1, sigma_max=10.0, rho=5.0)
    ramp = np.linspace(0, 1, 10)
    expected = (10.0**0.2 + ramp * (0.1**0.2 - 10.0**0.2)) ** 5
    assert chosen.sigmas == pytest.approx([*expected, 0.0], rel=1e-5)
    assert chosen.infotext == {
        "Schedule type": "Karras",
        "Schedule min sigma": 0.1,
        "Schedule max sigma": 10.0,
        "Schedule rho": 5.0,
    }


def test_an_option_that_equals_the_default_is_not_mentioned() -> None:
    chosen = plan(scheduler="Karras", sigma_min=LOW, sigma_max=HIGH, rho=7.0)
    assert chosen == plan(scheduler="Karras")


def test_rho_means_nothing_to_other_schedulers() -> None:
    assert plan(scheduler="Exponential", rho=3.0) == plan(scheduler="Exponential")


def test_the_models_own_schedule_ignores_the_options() -> None:
    assert plan(sigma_min=1.0, sigma_max=2.0, rho=3.0) == plan()


def test_old_karras_sigmas() -> None:
    chosen = plan(scheduler="Exponential", use_old_karras_scheduler_sigmas=True)
    assert chosen.sigmas == pytest.approx([*np.geomspace(10, 0.1, 10), 0.0], rel=1e-5)
    assert chosen.infotext == {"Schedule type": "Exponential"}


def test_the_option_discards_the_penultimate_level() -> None:
    longer = plan(steps=11).sigmas
    chosen = plan(steps=10, always_discard_next_to_last_sigma=True)
    assert chosen.sigmas == longer[:-2] + longer[-1:]
    assert chosen.infotext == {"Discard penultimate sigma": True}


def test_a_sampler_that_discards_by_itself_does_not_mention_it() -> None:
    longer = plan(scheduler="Karras", steps=11).sigmas
    chosen = plan("DPM2", steps=10, always_discard_next_to_last_sigma=True)
    assert chosen == SigmaPlan(longer[:-2] + longer[-1:], [], {"Schedule type": "Karras"})


def test_hires_mentions_its_schedule_where_it_differs() -> None:
    assert plan(scheduler="Karras", hires=True, first_pass_type="Karras").infotext == {}
    assert plan(scheduler="Karras", hires=True).infotext == {"Hires schedule type": "Karras"}
    assert plan(scheduler="Beta", hires=True, first_pass_type="Karras").infotext["Hires schedule type"] == (
        "Beta"
    )


def test_lcm_runs_on_its_own_table() -> None:
    table = LCMSchedule(SD.alphas_cumprod)
    assert plan("LCM", steps=5).sigmas == table.uniform_sigmas(5).tolist()
    assert plan("LCM", scheduler="Karras").sigmas[0] == pytest.approx(table.sigma_max)
    assert plan("LCM", scheduler="Simple", steps=50).sigmas[:-1] == table.sigmas.flip(0).tolist()


@pytest.mark.parametrize(
    ("steps", "expected"),
    [(1, [1]), (2, [1, 501]), (3, [1, 334, 667, 999]), (1000, [*range(1, 1000), 999])],
)
def test_timesteps(steps: int, expected: list[int]) -> None:
    assert schedules.timesteps(steps) == expected


def test_thirty_timesteps_are_thirty_one() -> None:
    assert len(schedules.timesteps(30)) == 31
    assert len(schedules.timesteps(20)) == 20


@pytest.mark.parametrize("steps", [0, 1001])
def test_timesteps_out_of_range(steps: int) -> None:
    with pytest.raises(ZeroDivisionError):
        schedules.timesteps(steps)


def test_timestep_samplers_ignore_the_scheduler() -> None:
    assert plan("DDIM", scheduler="Karras") == SigmaPlan([], schedules.timesteps(10), {})
    discarding = plan("DDIM", always_discard_next_to_last_sigma=True)
    assert discarding == SigmaPlan([], schedules.timesteps(11), {"Discard penultimate sigma": True})


def test_no_steps_leave_the_end_only() -> None:
    assert plan(steps=0).sigmas == [0.0]
    assert plan(scheduler="Karras", steps=0).sigmas == [0.0]


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([spec.name for spec in SAMPLERS]),
    st.sampled_from(LABELS),
    st.integers(1, 60),
)
def test_every_plan_descends_to_its_end(sampler: str, scheduler: str, steps: int) -> None:
    chosen = plan(sampler, scheduler, steps)
    if chosen.timesteps:
        assert chosen.timesteps == sorted(chosen.timesteps)
        return
    assert chosen.sigmas == sorted(chosen.sigmas, reverse=True)
    assert all(math.isfinite(sigma) and sigma >= 0 for sigma in chosen.sigmas)
    assert chosen.sigmas[0] > 0
    assert chosen.sigmas[-1] == 0 or scheduler == "KL Optimal"
    assert len(chosen.sigmas) == steps + 1 or scheduler == "DDIM"
