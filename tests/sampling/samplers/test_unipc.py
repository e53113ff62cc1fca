from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sdapi_compat.sampling.noise_schedule import NoiseSchedule
from sdapi_compat.sampling.recipe import UniPCSettings
from sdapi_compat.sampling.samplers.unipc import ContinuousSchedule, skip_times, unipc
from sdapi_compat.sampling.schedules import timesteps

Model = Callable[[Tensor, float], Tensor]


def run(drive: Any, schedule: NoiseSchedule, x: Tensor, model: Model, n: int, **fields: Any) -> Any:
    settings = UniPCSettings(**fields)
    return drive(unipc(x, timesteps(n), schedule, settings, from_noise=True), model)


def test_the_continuous_schedule_agrees_with_the_table(schedule: NoiseSchedule) -> None:
    continuous = ContinuousSchedule(schedule)
    for i in (0, 400, 999):
        point = continuous.at((i + 1) / 1000)
        assert point.alpha**2 == pytest.approx(schedule.alpha_bar(i))
        assert point.sigma / point.alpha == pytest.approx(float(schedule.sigmas[i]), rel=1e-4)
        assert point.lam == pytest.approx(-float(schedule.log_sigmas[i]), abs=1e-4)
        assert continuous.inverse_lambda(np.array([point.lam]))[0] == pytest.approx(point.t)


def test_skip_types(schedule: NoiseSchedule) -> None:
    continuous = ContinuousSchedule(schedule)
    uniform = skip_times("time_uniform", continuous, 1.0, 4)
    assert uniform.tolist() == pytest.approx([1.0, 0.75025, 0.5005, 0.25075, 0.001])
    quadratic = skip_times("time_quadratic", continuous, 1.0, 4)
    assert np.diff(np.sqrt(quadratic)).tolist() == pytest.approx([(0.001**0.5 - 1) / 4] * 4)
    log_snr = [continuous.at(float(t)).lam for t in skip_times("logSNR", continuous, 1.0, 4)]
    assert np.diff(log_snr).tolist() == pytest.approx([(log_snr[-1] - log_snr[0]) / 4] * 4, rel=1e-6)


def test_unknown_settings_are_refused(
    schedule: NoiseSchedule, drive: Any, wavy: Model, start: Tensor
) -> None:
    with pytest.raises(ValueError, match="time_uniform, time_quadratic or logSNR, not 'nope'"):
        run(drive, schedule, start, wavy, 4, skip_type="nope")
    with pytest.raises(ValueError, match="bh1, bh2 or vary_coeff, not 'nope'"):
        run(drive, schedule, start, wavy, 4, variant="nope")


@pytest.mark.parametrize("n", [1, 2, 3, 5, 20])
@pytest.mark.parametrize("variant", ["bh1", "bh2", "vary_coeff"])
@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_every_order_runs_at_every_length(
    n: int, variant: str, order: int, drive: Any, schedule: NoiseSchedule, wavy: Model
) -> None:
    x = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    got = run(drive, schedule, x, wavy, n, variant=variant, order=order)
    assert got.x.isfinite().all()
    assert [ask.step for ask in got.asks] == list(range(len(timesteps(n))))
    assert got.asks[0].timestep == pytest.approx(999)


def test_no_times_make_no_step(drive: Any, schedule: NoiseSchedule, wavy: Model, start: Tensor) -> None:
    settings = UniPCSettings()
    assert torch.equal(drive(unipc(start, [], schedule, settings, from_noise=False), wavy).x, start)


def test_one_step_is_ddim_from_the_first_time_to_the_last(
    drive: Any, schedule: NoiseSchedule, wavy: Model, start: Tensor
) -> None:
    got = run(drive, schedule, start, wavy, 1)
    a, b = schedule.alpha_bar(999), schedule.alpha_bar(0)
    level = math.sqrt((1 - a) / a)
    x0 = wavy(start / math.sqrt(a), level)
    eps = (start - math.sqrt(a) * x0) / math.sqrt(1 - a)
    assert torch.allclose(got.x, math.sqrt(b) * x0 + math.sqrt(1 - b) * eps)


def test_a_picture_starts_at_the_time_it_was_noised_to(
    drive: Any, schedule: NoiseSchedule, wavy: Model, start: Tensor
) -> None:
    got = drive(unipc(start, [1, 251, 501], schedule, UniPCSettings(), from_noise=False), wavy)
    assert [ask.timestep for ask in got.asks] == pytest.approx([501.0, 334.0, 167.0])


def test_lower_order_final_lowers_the_last_two_steps(
    drive: Any, schedule: NoiseSchedule, wavy: Model
) -> None:
    x = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    lowered = run(drive, schedule, x, wavy, 5, lower_order_final=True)
    kept = run(drive, schedule, x, wavy, 5, lower_order_final=False)
    assert [a.timestep for a in lowered.asks] == [a.timestep for a in kept.asks]
    assert torch.allclose(lowered.asks[3].x, kept.asks[3].x)
    assert not torch.allclose(lowered.x, kept.x)
