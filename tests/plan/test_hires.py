"""The second pass: sizes, prompts, samplers, and what the infotext says of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sdapi_compat.errors import Fault
from sdapi_compat.plan.plan import Hires, ModelChoice, Plan

PlanOf = Callable[..., Plan]


@pytest.fixture
def planned(plan_of: PlanOf) -> PlanOf:
    """A Plan with a second pass."""

    def make(options: dict[str, Any] | None = None, **fields: Any) -> Plan:
        body = {"enable_hr": True, "denoising_strength": 0.5, "width": 64, "height": 64, "steps": 8}
        return plan_of(options, **(body | fields))

    return make


def second(plan: Plan) -> Hires:
    assert plan.hires is not None
    return plan.hires


def shown(plan: Plan) -> dict[str, Any]:
    """What the infotext will say: pairs with a value."""
    return {key: value for key, value in plan.report.extra.items() if value is not None}


def test_no_second_pass_unless_asked(plan_of: PlanOf) -> None:
    plan = plan_of(hr_scale=3.0, hr_upscaler="Lanczos", denoising_strength=0.4)
    assert plan.hires is None
    assert plan.report.extra == {}
    assert plan.report.denoising_strength == 0.4


@pytest.mark.parametrize(
    ("fields", "size", "cut", "pair"),
    [
        ({}, (128, 128), (0, 0), ("Hires upscale", 2.0)),
        ({"hr_scale": 1.5}, (96, 96), (0, 0), ("Hires upscale", 1.5)),
        ({"hr_resize_x": 96}, (96, 96), (0, 0), ("Hires resize", "96x0")),
        ({"hr_resize_y": 80}, (80, 80), (0, 0), ("Hires resize", "0x80")),
        ({"hr_resize_x": 112, "hr_resize_y": 80}, (112, 112), (0, 4), ("Hires resize", "112x80")),
        ({"hr_resize_x": 80, "hr_resize_y": 112}, (112, 112), (4, 0), ("Hires resize", "80x112")),
    ],
)
def test_target_size(
    planned: PlanOf,
    fields: dict[str, Any],
    size: tuple[int, int],
    cut: tuple[int, int],
    pair: tuple[str, Any],
) -> None:
    plan = planned(**fields)
    target = second(plan).target
    assert (target.width, target.height) == size
    assert (target.truncate_x, target.truncate_y) == cut
    assert pair in shown(plan).items()


def test_the_first_pass_keeps_its_size_and_its_steps(planned: PlanOf) -> None:
    plan = planned(hr_second_pass_steps=3)
    assert (plan.width, plan.height, plan.report.steps) == (64, 64, 8)
    assert plan.sampler.t_enc is None


def test_exactly_the_asked_steps_are_run_from_a_longer_schedule(planned: PlanOf) -> None:
    hires = second(planned(hr_second_pass_steps=6, denoising_strength=0.5))
    assert (hires.steps, hires.sampler.recipe.steps, hires.sampler.t_enc) == (6, 12, 5)
    hires = second(planned(denoising_strength=0.25))
    assert (hires.steps, hires.sampler.recipe.steps, hires.sampler.t_enc) == (8, 32, 7)


def test_strengths_beyond_the_ends_are_still_a_schedule(planned: PlanOf) -> None:
    over = second(planned(denoising_strength=7.0)).sampler
    assert (over.recipe.steps, over.t_enc) == (8, 7)
    under = second(planned(denoising_strength=-1.0)).sampler
    assert (under.recipe.steps, under.t_enc) == (8, 0)


def test_the_infotext_pairs_come_in_the_order_of_the_original(planned: PlanOf) -> None:
    plan = planned(
        hr_checkpoint_name="other",
        hr_sampler_name="Euler a",
        hr_prompt="p",
        hr_negative_prompt="n",
        hr_second_pass_steps=3,
        hr_upscaler="Latent",
    )
    assert shown(plan) == {
        "Denoising strength": 0.5,
        "Hires checkpoint": "other [0123456789]",
        "Hires sampler": "Euler a",
        "Hires prompt": ["p"],
        "Hires negative prompt": ["n"],
        "Hires upscale": 2.0,
        "Hires steps": 3,
        "Hires upscaler": "Latent",
    }
    assert list(plan.report.extra).index("Hires schedule type") < list(plan.report.extra).index(
        "Hires upscale"
    )


def test_what_is_the_same_is_not_mentioned(planned: PlanOf) -> None:
    plan = planned(prompt="p", hr_prompt="p", sampler_name="Euler", hr_sampler_name="Euler")
    keys = shown(plan).keys()
    assert "Hires sampler" not in keys
    assert "Hires upscaler" not in keys
    assert "Hires steps" not in keys
    assert plan.report.extra["Hires prompt"] == [None]


def test_empty_hires_prompts_are_the_first_pass_prompts(planned: PlanOf) -> None:
    hires = second(planned(prompt="p", negative_prompt="n", batch_size=2))
    assert hires.prompts.positive == ("p", "p")
    assert hires.prompts.negative == ("n", "n")


def test_styles_are_merged_into_hires_prompts_too(planned: PlanOf) -> None:
    hires = second(planned(prompt="p", hr_prompt="q", styles=["cinematic"]))
    assert hires.prompts.positive == ("still of q, deep",)
    assert hires.prompts.negative == ("cartoon",)


def test_another_checkpoint(planned: PlanOf) -> None:
    plan = planned(hr_checkpoint_name="other")
    assert second(plan).model == ModelChoice("other")
    assert plan.model == ModelChoice("small")


@pytest.mark.parametrize("name", [None, "", "Use same checkpoint"])
def test_the_same_checkpoint(planned: PlanOf, name: str | None) -> None:
    plan = planned(hr_checkpoint_name=name)
    assert second(plan).model == plan.model
    assert "Hires checkpoint" not in plan.report.extra


def test_sampler_and_scheduler_follow_the_first_pass_unless_named(planned: PlanOf) -> None:
    recipe = second(planned(sampler_name="Euler a", scheduler="karras")).sampler.recipe
    assert (recipe.sampler, recipe.scheduler, recipe.hires) == ("Euler a", "Karras", True)
    recipe = second(planned(hr_sampler_name="DPM++ 2M", hr_scheduler="exponential")).sampler.recipe
    assert (recipe.sampler, recipe.scheduler) == ("DPM++ 2M", "Exponential")


@pytest.mark.parametrize(
    ("fields", "noted"),
    [
        ({"sampler_name": "DPM++ 2M"}, "Karras"),
        ({"sampler_name": "DPM++ 2M", "scheduler": "exponential"}, "Exponential"),
        ({"sampler_name": "Euler"}, None),
        ({"sampler_name": "DDIM", "scheduler": "karras"}, None),
    ],
)
def test_the_second_pass_knows_what_the_first_said_of_its_schedule(
    planned: PlanOf, fields: dict[str, str], noted: str | None
) -> None:
    assert second(planned(**fields)).sampler.recipe.first_pass_type == noted


def test_use_same_sampler_and_scheduler_mean_what_they_say(planned: PlanOf) -> None:
    same = {"hr_sampler_name": "Use same sampler", "hr_scheduler": "Use same scheduler"}
    recipe = second(planned(sampler_name="Euler a", scheduler="karras", **same)).sampler.recipe
    assert (recipe.sampler, recipe.scheduler) == ("Euler a", "Karras")


@pytest.mark.parametrize(
    ("field", "name", "message"),
    [
        ("hr_sampler_name", "nobody", "bad sampler name: nobody"),
        ("hr_upscaler", "nobody", "could not find upscaler named nobody"),
        ("hr_checkpoint_name", "nobody", "Could not find checkpoint with name nobody"),
    ],
)
def test_unknown_names_are_the_original_errors(planned: PlanOf, field: str, name: str, message: str) -> None:
    with pytest.raises(Fault, match=message) as caught:
        planned(**{field: name})
    assert caught.value.status == 500


def test_the_upscaler_defaults_to_latent(planned: PlanOf) -> None:
    assert second(planned()).upscaler == "Latent"
    assert second(planned(hr_upscaler="Lanczos")).upscaler == "Lanczos"


def test_extra_noise_of_the_options_reaches_the_second_pass(planned: PlanOf) -> None:
    plan = planned({"img2img_extra_noise": 0.2})
    assert second(plan).extra_noise == 0.2
    assert second(planned()).extra_noise == 0


def test_the_second_pass_tells_of_its_own_noise(planned: PlanOf) -> None:
    plan = planned(sampler_name="Euler", hr_sampler_name="Euler a", eta=0.5)
    assert second(plan).sampler.infotext == {"Eta": 0.5}
    assert plan.sampler.infotext == {}
