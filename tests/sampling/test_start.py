from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from sdapi_compat.errors import Fault
from sdapi_compat.sampling.ask import Denoise, PredictNoise
from sdapi_compat.sampling.noise import ImageNoise, NoiseSeeds, Source
from sdapi_compat.sampling.noise_schedule import NoiseSchedule
from sdapi_compat.sampling.recipe import Churn, SigmaRecipe, UniPCSettings, img2img_steps
from sdapi_compat.sampling.schedules import sigma_plan
from sdapi_compat.sampling.start import SamplerRun, start
from sdapi_compat.sampling.table import SAMPLER_BY_NAME, SAMPLERS

SHAPE = (4, 4, 4)
NAMES = [spec.name for spec in SAMPLERS]
EVERY = pytest.mark.parametrize("name", NAMES)
TIMESTEP = [spec.name for spec in SAMPLERS if spec.family == "timestep"]


@dataclass(frozen=True)
class Rules:
    recipe: SigmaRecipe
    t_enc: int | None = None
    eta: float = 1.0
    churn: Churn = field(default_factory=Churn)
    unipc: UniPCSettings = field(default_factory=UniPCSettings)
    sgm_noise_multiplier: bool = False
    batch_determinism: bool = True


def noise(seeds: tuple[int, ...] = (5, 6), source: Source = "CPU") -> ImageNoise:
    return ImageNoise(SHAPE, NoiseSeeds(seeds=seeds, source=source))


@pytest.fixture
def make(schedule: NoiseSchedule) -> Any:
    """`make(sampler, steps, ...)`: a run from noise; with `clean` and t_enc, one from a picture."""

    def make(sampler: str, steps: int = 3, *, clean: Tensor | None = None, **fields: Any) -> SamplerRun:
        scheduler = fields.pop("scheduler", None)
        seeds = fields.pop("seeds", (5, 6))
        more = {key: fields.pop(key) for key in ("noise_multiplier", "extra_noise") if key in fields}
        recipe = SigmaRecipe(sampler=sampler, scheduler=scheduler, steps=steps)
        rules = Rules(recipe, **fields)
        return SamplerRun(rules, sigma_plan(recipe, schedule), schedule, noise(seeds), clean, **more)

    return make


@EVERY
@pytest.mark.parametrize("steps", [1, 2, 3, 20])
def test_every_sampler_runs_from_noise(name: str, steps: int, make: Any, drive: Any, wavy: Any) -> None:
    got = drive(start(make(name, steps)), wavy)
    assert got.x.shape == (2, *SHAPE)
    assert got.x.dtype == torch.float32
    assert got.x.isfinite().all()
    kind = PredictNoise if name in TIMESTEP else Denoise
    assert all(type(ask) is kind and ask.x.dtype == torch.float32 for ask in got.asks)


@EVERY
@pytest.mark.parametrize(("steps", "denoise"), [(1, 0.75), (2, 0.5), (3, 1.0), (20, 0.3), (20, 0.0)])
@pytest.mark.parametrize("fixed", [False, True])
def test_every_sampler_runs_from_a_picture(
    name: str, steps: int, denoise: float, fixed: bool, make: Any, drive: Any
) -> None:
    total, t_enc = img2img_steps(steps, denoise, fixed)
    if total == 0 and name in TIMESTEP:
        return
    run = make(name, total, clean=torch.zeros(2, *SHAPE), t_enc=t_enc)
    got = drive(start(run), lambda x, sigma: torch.zeros_like(x))
    assert got.x.isfinite().all()


# The step size of DPM adaptive is that of the whole batch.
@pytest.mark.parametrize("name", [name for name in NAMES if name != "DPM adaptive"])
def test_a_batch_equals_its_images_alone(name: str, make: Any, drive: Any, wavy: Any) -> None:
    together = drive(start(make(name, 8)), wavy).x
    alone = [drive(start(make(name, 8, seeds=(seed,))), wavy).x for seed in (5, 6)]
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)


@EVERY
def test_sigmas_are_numbers_on_the_host(name: str, make: Any, drive: Any, wavy: Any) -> None:
    asks = drive(start(make(name, 3)), wavy).asks
    levels = [ask.timestep if name in TIMESTEP else ask.sigma for ask in asks]
    assert all(type(level) in (int, float) for level in levels)


@pytest.mark.parametrize(
    ("name", "calls"), [("Euler", 6), ("Heun", 11), ("DDIM", 5), ("PLMS", 6), ("UniPC", 6)]
)
def test_the_number_of_model_calls(name: str, calls: int, make: Any, drive: Any, wavy: Any) -> None:
    run = make(name, 6, scheduler="Karras")
    expected = calls + len(run.plan.timesteps) - 6 if name in TIMESTEP else calls
    assert len(drive(start(run), wavy).asks) == expected


def first_x(run: SamplerRun) -> Tensor:
    ask = next(start(run))
    x: Tensor = ask.x
    return x


def test_noise_alone_is_scaled_to_the_first_level(make: Any) -> None:
    run = make("Euler", 5)
    assert torch.equal(first_x(run), noise().first() * run.sigmas[0])


def test_sgm_noise_multiplier(make: Any) -> None:
    run = make("Euler", 5, sgm_noise_multiplier=True)
    assert torch.equal(first_x(run), noise().first() * math.sqrt(1 + run.sigmas[0] ** 2))


@pytest.mark.parametrize("name", TIMESTEP)
def test_timestep_samplers_start_from_plain_noise(name: str, make: Any) -> None:
    assert torch.equal(first_x(make(name, 5, sgm_noise_multiplier=True)), noise().first())


def test_a_picture_is_noised_to_the_level_of_its_part(make: Any) -> None:
    clean = torch.full((2, *SHAPE), 0.5)
    run = make("Euler", 20, clean=clean, t_enc=15)
    assert len(run.sigmas) == 17
    assert run.sigmas == run.plan.sigmas[4:]
    assert run.steps == 16
    assert torch.equal(first_x(run), clean + noise().first() * run.sigmas[0])


def test_noise_multiplier_and_extra_noise(make: Any) -> None:
    clean = torch.full((2, *SHAPE), 0.5)
    run = make("Euler", 20, clean=clean, t_enc=15, noise_multiplier=0.8, extra_noise=0.3)
    expected = clean + 0.8 * noise().first() * (run.sigmas[0] + 0.3)
    assert torch.allclose(first_x(run), expected)


def test_a_picture_in_the_timestep_family(make: Any, schedule: NoiseSchedule) -> None:
    clean = torch.full((2, *SHAPE), 0.5)
    run = make("DDIM", 20, clean=clean, t_enc=15, noise_multiplier=0.8, extra_noise=0.3)
    assert run.timesteps == run.plan.timesteps[:15]
    abar = schedule.alpha_bar(751)
    plain = math.sqrt(abar) * clean + math.sqrt(1 - abar) * 0.8 * noise().first()
    assert torch.allclose(first_x(run), plain + 0.8 * noise().first() * 0.3 * math.sqrt(abar))
    assert next(start(make("DDIM", 20, clean=clean, t_enc=15))).timestep == 701


def test_the_part_is_counted_from_the_asked_steps(make: Any) -> None:
    # The DDIM schedule has 31 steps for 30; the part starts where 30 would put it.
    run = make("Euler", 30, clean=torch.zeros(2, *SHAPE), t_enc=9, scheduler="DDIM")
    assert len(run.plan.sigmas) == 32
    assert run.sigmas == run.plan.sigmas[20:]


def test_a_negative_strength_leaves_nothing_to_start_from(make: Any) -> None:
    total, t_enc = img2img_steps(20, -0.5, fixed=False)
    with pytest.raises(Fault, match="index 0 is out of bounds"):
        start(make("Euler", total, clean=torch.zeros(2, *SHAPE), t_enc=t_enc))


def test_a_timestep_beyond_the_plan_is_refused(make: Any) -> None:
    with pytest.raises(Fault, match="index 40 is out of bounds"):
        start(make("DDIM", 20, clean=torch.zeros(2, *SHAPE), t_enc=40))


def test_strength_zero_of_a_fixed_number_of_steps_returns_the_picture(
    make: Any, drive: Any, wavy: Any
) -> None:
    clean = torch.full((2, *SHAPE), 0.5)
    for name in ("Euler", "DPM fast", "DPM adaptive", "DPM++ SDE", "Restart"):
        total, t_enc = img2img_steps(20, 0.0, fixed=True)
        assert torch.equal(drive(start(make(name, total, clean=clean, t_enc=t_enc)), wavy).x, clean), name


def test_dpm_fast_goes_to_the_models_ends_from_noise(make: Any, drive: Any, wavy: Any) -> None:
    run = make("DPM fast", 6, scheduler="Align Your Steps", eta=0.0)
    got = drive(start(run), wavy)
    assert len(got.asks) == 6
    assert got.asks[0].sigma == pytest.approx(run.schedule.sigma_max)


def test_dpm_fast_goes_to_the_schedules_ends_from_a_picture(make: Any, drive: Any, wavy: Any) -> None:
    run = make("DPM fast", 20, clean=torch.zeros(2, *SHAPE), t_enc=9, scheduler="Karras", eta=0.0)
    got = drive(start(run), wavy)
    assert len(got.asks) == 10
    assert got.asks[0].sigma == pytest.approx(run.sigmas[0])
    assert min(ask.sigma for ask in got.asks) > run.sigmas[-2]


def test_steps_of_a_run_from_noise_are_the_asked_ones(make: Any) -> None:
    assert make("Euler", 30, scheduler="DDIM").steps == 30


@pytest.mark.parametrize("per_image", [True, False])
def test_brownian_noise_covers_the_whole_plan_unless_shared(per_image: bool, make: Any) -> None:
    run = make("DPM++ 2M SDE", 20, clean=torch.zeros(2, *SHAPE), t_enc=9, batch_determinism=per_image)
    levels = run.plan.sigmas if per_image else run.sigmas
    expected = noise().brownian(levels[-2], levels[0], per_image=per_image)
    between = (run.sigmas[1], run.sigmas[2])
    assert torch.equal(run.brownian()(*between), expected(*between))


def test_the_heun_variant_of_2m_sde_differs(make: Any, drive: Any, wavy: Any) -> None:
    plain = drive(start(make("DPM++ 2M SDE", 5)), wavy).x
    assert not torch.allclose(plain, drive(start(make("DPM++ 2M SDE Heun", 5)), wavy).x)


@pytest.mark.parametrize("name", [spec.name for spec in SAMPLERS if "s_noise" in spec.churn])
def test_s_noise_reaches_the_samplers_that_take_it(name: str, make: Any, drive: Any, wavy: Any) -> None:
    plain = Churn(s_churn=10.0)
    louder = replace_churn(plain, 1.5)
    one, other = (drive(start(make(name, 8, churn=churn)), wavy).x for churn in (plain, louder))
    assert not torch.allclose(one, other)


def replace_churn(churn: Churn, s_noise: float) -> Churn:
    return Churn(churn.s_churn, churn.s_tmin, churn.s_tmax, s_noise)


@pytest.mark.parametrize("name", [n for n in NAMES if SAMPLER_BY_NAME[n].eta_kind is not None])
def test_eta_reaches_the_samplers_that_take_it(name: str, make: Any, drive: Any, wavy: Any) -> None:
    one, other = (drive(start(make(name, 8, eta=eta)), wavy).x for eta in (0.0, 1.0))
    assert not torch.allclose(one, other)


@pytest.mark.parametrize("name", [n for n in NAMES if SAMPLER_BY_NAME[n].eta_kind is None])
def test_eta_means_nothing_to_the_others(name: str, make: Any, drive: Any, wavy: Any) -> None:
    one, other = (drive(start(make(name, 8, eta=eta)), wavy).x for eta in (0.0, 1.0))
    assert torch.equal(one, other)


def test_a_run_is_frozen(make: Any) -> None:
    run = make("Euler")
    assert replace(run, extra_noise=0.5).extra_noise == 0.5
    with pytest.raises(AttributeError):
        run.extra_noise = 0.5
