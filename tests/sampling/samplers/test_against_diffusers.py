"""Our samplers against diffusers' schedulers where both implement the same method, 20 steps, same noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sdapi_compat.sampling.noise import ImageNoise, NoiseSeeds
from sdapi_compat.sampling.noise_schedule import NoiseSchedule
from sdapi_compat.sampling.recipe import Churn, UniPCSettings
from sdapi_compat.sampling.samplers import ddim, dpm2, euler, heun, lms, unipc
from sdapi_compat.sampling.schedules import karras, timesteps

diffusers = pytest.importorskip("diffusers")

# diffusers 0.42 with numpy 2: its own affair
pytestmark = pytest.mark.filterwarnings("ignore:__array:DeprecationWarning")

Model = Callable[[Tensor, float], Tensor]

BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
SHAPE = (4, 8, 8)


@pytest.fixture
def x() -> Tensor:
    return ImageNoise(SHAPE, NoiseSeeds(seeds=(1,), source="CPU")).first()


def quiet() -> Tensor:
    raise AssertionError("a deterministic run drew noise")


def reference(scheduler: Any, x: Tensor, model: Model) -> Tensor:
    """Runs a variance exploding scheduler of diffusers from x0 + sigma * noise, with eps computed from D."""
    scheduler.set_timesteps(20)
    for t in scheduler.timesteps:
        scheduler.scale_model_input(x, t)
        halfway = not getattr(scheduler, "state_in_first_order", True)
        levels = (
            scheduler.sigmas_interpol
            if halfway and hasattr(scheduler, "sigmas_interpol")
            else scheduler.sigmas
        )
        sigma = float(levels[scheduler.step_index])
        x = scheduler.step((x - model(x, sigma)) / sigma, t, x).prev_sample
    return x


SAMPLERS: dict[str, Any] = {
    "EulerDiscreteScheduler": lambda x, s: euler.euler(x, s, quiet, churn=Churn()),
    "HeunDiscreteScheduler": lambda x, s: heun.heun(x, s, quiet, churn=Churn()),
    "KDPM2DiscreteScheduler": lambda x, s: dpm2.dpm2(x, s, quiet, churn=Churn()),
    "LMSDiscreteScheduler": lms.lms,
}


@pytest.mark.parametrize("use_karras", [False, True])
@pytest.mark.parametrize("name", list(SAMPLERS))
def test_deterministic_k_diffusion_samplers(
    name: str, use_karras: bool, drive: Any, wavy: Model, schedule: NoiseSchedule, x: Tensor
) -> None:
    options = {"timestep_spacing": "linspace", "use_karras_sigmas": use_karras}
    scheduler = getattr(diffusers, name).from_config(BETAS | options)
    levels = karras(20, schedule.sigma_min, schedule.sigma_max) if use_karras else schedule.uniform_sigmas(20)
    sigmas = levels.tolist()
    got = drive(SAMPLERS[name](x * sigmas[0], sigmas), wavy).x
    assert torch.allclose(got, reference(scheduler, x * sigmas[0], wavy), atol=2e-4)


def variance_preserving(model: Model, scheduler: Any) -> Callable[[Tensor, int], Tensor]:
    abar = scheduler.alphas_cumprod.double()

    def eps(x: Tensor, t: int) -> Tensor:
        a = float(abar[t])
        level = ((1 - a) / a) ** 0.5
        clean = x / a**0.5
        return (clean - model(clean, level)) / level

    return eps


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_ddim(eta: float, drive: Any, wavy: Model, schedule: NoiseSchedule, x: Tensor) -> None:
    scheduler = diffusers.DDIMScheduler(
        **BETAS, clip_sample=False, set_alpha_to_one=False, steps_offset=1, timestep_spacing="leading"
    )
    scheduler.set_timesteps(20)
    eps = variance_preserving(wavy, scheduler)
    noise = ImageNoise(SHAPE, NoiseSeeds(seeds=(2,), source="CPU"))
    expected = x
    for t in scheduler.timesteps[:-1]:
        variance_noise = noise.next() if eta else None
        expected = scheduler.step(
            eps(expected, int(t)), t, expected, eta=eta, variance_noise=variance_noise
        ).prev_sample
    ours = ImageNoise(SHAPE, NoiseSeeds(seeds=(2,), source="CPU"))
    got = drive(ddim.ddim(x, timesteps(20), schedule, ours.next, eta=eta), wavy)
    assert [ask.timestep for ask in got.asks] == scheduler.timesteps[:-1].tolist()
    assert torch.allclose(got.x, expected, atol=2e-5)


def test_plms(drive: Any, wavy: Model, schedule: NoiseSchedule, x: Tensor) -> None:
    scheduler = diffusers.PNDMScheduler(
        **BETAS, skip_prk_steps=True, set_alpha_to_one=False, steps_offset=1, timestep_spacing="leading"
    )
    scheduler.set_timesteps(20)
    eps = variance_preserving(wavy, scheduler)
    expected = x
    for t in scheduler.timesteps[:-1]:
        expected = scheduler.step(eps(expected, int(t)), t, expected).prev_sample
    got = drive(ddim.plms(x, timesteps(20), schedule), wavy)
    assert torch.allclose(got.x, expected, atol=2e-5)


def test_unipc(drive: Any, wavy: Model, schedule: NoiseSchedule, x: Tensor) -> None:
    scheduler = diffusers.UniPCMultistepScheduler(
        **BETAS,
        solver_order=3,
        solver_type="bh1",
        timestep_spacing="linspace",
        final_sigmas_type="sigma_min",
        lower_order_final=True,
    )
    scheduler.set_timesteps(20)
    eps = variance_preserving(wavy, scheduler)
    expected = x
    for t in scheduler.timesteps:
        expected = scheduler.step(eps(expected, int(t)), t, expected).prev_sample
    run = unipc.unipc(x, timesteps(20), schedule, UniPCSettings(), from_noise=True)
    got = drive(run, wavy)
    # diffusers rounds the times, we do not: some tenths of a time in 1000, and most at the low end.
    assert np.allclose([ask.timestep for ask in got.asks], scheduler.timesteps.numpy(), atol=0.55)
    assert torch.allclose(got.x, expected, atol=0.02)
    assert float((got.x - expected).abs().mean()) < 2e-3
