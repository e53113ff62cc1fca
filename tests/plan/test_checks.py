"""Values nothing can be made of."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from sdapi_compat.errors import InvalidRequest
from sdapi_compat.plan.checks import (
    LARGEST_FLOAT,
    LARGEST_SEED,
    SMALLEST_SEED,
    check_finite,
    check_init_images,
    check_seeds,
    check_steps,
)
from sdapi_compat.plan.plan import Plan
from sdapi_compat.sampling.recipe import SigmaRecipe
from sdapi_compat.sampling.table import SAMPLERS
from sdapi_compat.schema.txt2img import StableDiffusionProcessingTxt2Img

TIMESTEP = [spec.name for spec in SAMPLERS if spec.family == "timestep"]
OTHERS = [spec.name for spec in SAMPLERS if spec.family != "timestep"]


def problems(function: Callable[..., None], *arguments: Any) -> list[tuple[Any, ...]]:
    with pytest.raises(InvalidRequest) as caught:
        function(*arguments)
    return [(problem.loc, problem.msg, problem.type) for problem in caught.value.problems]


def test_every_number_that_is_not_finite_is_named() -> None:
    request = StableDiffusionProcessingTxt2Img(cfg_scale=math.nan, eta=-math.inf, s_churn=1e300, s_noise=1e38)
    words = ("ensure this value is a finite number", "value_error.number.not_finite_number")
    expected = [(("body", name), *words) for name in ("cfg_scale", "eta", "s_churn")]
    assert problems(check_finite, request) == expected


@pytest.mark.parametrize("value", [0.0, -0.0, 1e-300, LARGEST_FLOAT, -LARGEST_FLOAT, None])
def test_finite_numbers_pass(value: float | None) -> None:
    check_finite(StableDiffusionProcessingTxt2Img(cfg_scale=value))


def test_an_upper_end_may_be_infinite() -> None:
    check_finite(StableDiffusionProcessingTxt2Img(s_tmax=math.inf))
    for value in (math.nan, -math.inf):
        assert problems(check_finite, StableDiffusionProcessingTxt2Img(s_tmax=value))[0][0][1] == "s_tmax"


def test_pictures_that_are_no_text_are_named_by_their_places() -> None:
    assert problems(check_init_images, ["ok", None, 5, ["x"]]) == [
        (("body", "init_images", 1), "none is not an allowed value", "type_error.none.not_allowed"),
        (("body", "init_images", 2), "str type expected", "type_error.str"),
        (("body", "init_images", 3), "str type expected", "type_error.str"),
    ]
    check_init_images(["", "x"])


@pytest.mark.parametrize(
    ("seeds", "ensd"),
    [((LARGEST_SEED,), 0), ((SMALLEST_SEED,), 0), ((-2, 0), 5), ((SMALLEST_SEED,), 5), ((LARGEST_SEED,), -5)],
)
def test_seeds_within_the_range_of_generators_pass(seeds: tuple[int, ...], ensd: int) -> None:
    check_seeds("seed", seeds, ensd)


@pytest.mark.parametrize(
    ("seeds", "ensd"),
    [
        ((LARGEST_SEED + 1,), 0),
        ((SMALLEST_SEED - 1,), 0),
        ((0, 10**40), 0),
        ((LARGEST_SEED,), 1),
        ((SMALLEST_SEED,), -1),
        ((1,), 10**30),
    ],
)
def test_seeds_outside_it_are_refused(seeds: tuple[int, ...], ensd: int) -> None:
    ((loc, message, _),) = problems(check_seeds, "subseed", seeds, ensd)
    assert loc == ("body", "subseed")
    assert str(LARGEST_SEED) in message


@pytest.mark.parametrize("sampler", TIMESTEP)
def test_samplers_of_whole_times_run_at_most_a_thousand_steps(sampler: str) -> None:
    check_steps("steps", SigmaRecipe(sampler=sampler, steps=1000))
    ((loc, message, _),) = problems(check_steps, "steps", SigmaRecipe(sampler=sampler, steps=1001))
    assert (loc, message) == (("body", "steps"), f"{sampler} runs at most 1000 steps, and this asks for 1001")
    discarding = SigmaRecipe(sampler=sampler, steps=1000, always_discard_next_to_last_sigma=True)
    assert "at most 999 steps" in problems(check_steps, "steps", discarding)[0][1]


@pytest.mark.parametrize("sampler", OTHERS)
def test_other_samplers_run_any_number(sampler: str) -> None:
    check_steps("steps", SigmaRecipe(sampler=sampler, steps=10_000))


def test_plans_are_checked(plan_of: Callable[..., Plan]) -> None:
    refused: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        ({}, {"seed": 2**64}, "seed"),
        ({}, {"seed": LARGEST_SEED, "batch_size": 2}, "seed"),
        ({}, {"subseed": LARGEST_SEED, "n_iter": 2}, "subseed"),
        ({"eta_noise_seed_delta": 31337}, {"seed": LARGEST_SEED}, "seed"),
        ({}, {"sampler_name": "PLMS", "steps": 1001}, "steps"),
        ({}, {"cfg_scale": math.nan}, "cfg_scale"),
        ({}, {"hr_scale": math.inf, "enable_hr": True, "denoising_strength": 0.5}, "hr_scale"),
        ({}, {"init_images": [None]}, "init_images.0"),
    ]
    for options, fields, name in refused:
        with pytest.raises(InvalidRequest, match=rf"body\.{name}: "):
            plan_of(options, **fields)
    assert plan_of(seed=LARGEST_SEED, batch_size=1).seeds == (LARGEST_SEED,)
    assert plan_of(seed=-2).seeds == (-2,)


def test_steps_counted_out_from_the_strength_are_checked(plan_of: Callable[..., Plan]) -> None:
    second = {"enable_hr": True, "denoising_strength": 0.01, "sampler_name": "DDIM", "steps": 20}
    with pytest.raises(InvalidRequest, match=r"body\.steps: .* asks for 2000"):
        plan_of(**second)
    with pytest.raises(InvalidRequest, match=r"body\.hr_second_pass_steps: .* asks for 1100"):
        plan_of(**second, hr_second_pass_steps=11)
    assert plan_of(**second, hr_second_pass_steps=10).hires is not None
