"""Whole requests as Plans."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PIL import Image

from sdapi_compat.errors import ApiError, Fault
from sdapi_compat.options.snapshot import Snapshot
from sdapi_compat.plan.build import SPOKEN_VERSION, build
from sdapi_compat.plan.draft import Draft
from sdapi_compat.plan.plan import ModelChoice, Plan
from sdapi_compat.plan.world import World

PlanOf = Callable[..., Plan]


def test_seeds_and_prompts_for_every_image(plan_of: PlanOf) -> None:
    plan = plan_of(prompt="p", negative_prompt="n", batch_size=2, n_iter=3)
    assert plan.seeds == tuple(range(5, 11))
    assert plan.subseeds == tuple(range(50, 56))
    assert plan.prompts.positive == ("p",) * 6
    assert plan.prompts.negative == ("n",) * 6
    assert (plan.batch_size, plan.n_iter) == (2, 3)


def test_with_a_variation_all_seeds_are_equal(plan_of: PlanOf) -> None:
    plan = plan_of(batch_size=3, subseed_strength=0.1)
    assert plan.seeds == (5, 5, 5)
    assert plan.subseeds == (50, 51, 52)
    assert plan.noise.subseed_strength == 0.1


def test_scripts_may_give_every_image_its_own(txt2img: Callable[..., Draft], world: World) -> None:
    draft = txt2img(batch_size=2).change(prompt=("a", "b"), seed=(8, 3))
    plan = build(draft, Snapshot({}), world)
    assert plan.prompts.positive == ("a", "b")
    assert plan.prompts.negative == ("", "")
    assert plan.seeds == (8, 3)


def test_the_model_of_the_options(plan_of: PlanOf) -> None:
    assert plan_of().model == ModelChoice("small")
    assert plan_of({"sd_model_checkpoint": "other"}).model == ModelChoice("other")


def test_sizes_are_kept_as_asked(plan_of: PlanOf) -> None:
    plan = plan_of(width=100, height=71, tiling=True)
    assert (plan.width, plan.height, plan.tiling) == (100, 71, True)


def test_the_report_says_what_was_asked(plan_of: PlanOf) -> None:
    report = plan_of(
        steps=7,
        prompt="p",
        styles=["plain"],
        seed_resize_from_w=96,
        seed_resize_from_h=64,
        scheduler="karras",
        denoising_strength=0.3,
    ).report
    assert (report.steps, report.styles, report.asked_prompt) == (7, ("plain",), "p")
    assert (report.seed_resize, report.scheduler) == ((96, 64), "Karras")
    assert report.denoising_strength == 0.3
    assert (report.version, report.embed) == (SPOKEN_VERSION, True)
    assert report.extra == {}


def test_what_infotexts_leave_out_is_an_option(plan_of: PlanOf) -> None:
    off = {
        "add_model_name_to_info": False,
        "add_model_hash_to_info": False,
        "add_vae_name_to_info": False,
        "add_vae_hash_to_info": False,
        "add_version_to_infotext": False,
        "enable_pnginfo": False,
    }
    report = plan_of(off).report
    assert (report.model_name, report.model_hash) == (False, False)
    assert (report.vae_name, report.vae_hash) == (False, False)
    assert (report.version, report.embed) == (None, False)
    report = plan_of().report
    assert report.model_name
    assert report.vae_hash


@pytest.mark.parametrize(
    ("sampler", "eta", "delta", "shown"),
    [
        ("Euler a", None, 31337, True),
        ("Euler a", 0.0, 31337, False),
        ("Euler a", None, 0, False),
        ("Euler", None, 31337, False),
    ],
)
def test_the_seed_delta_is_told_where_it_matters(
    plan_of: PlanOf, sampler: str, eta: float | None, delta: int, shown: bool
) -> None:
    plan = plan_of({"eta_noise_seed_delta": delta}, sampler_name=sampler, eta=eta)
    assert plan.report.shows_ensd == shown
    assert plan.noise.ensd == delta


def test_extra_of_a_script_comes_first(txt2img: Callable[..., Draft], world: World) -> None:
    draft = txt2img(enable_hr=True, denoising_strength=0.5).change(extra={"Script": "X/Y/Z"})
    assert list(build(draft, Snapshot({}), world).report.extra)[:2] == ["Script", "Denoising strength"]


def test_grids(plan_of: PlanOf) -> None:
    assert not plan_of(batch_size=2).grid
    plan = plan_of(batch_size=2, save_images=True)
    assert (plan.grid, plan.grid_returned, plan.grid_only_if_multiple) == (True, True, True)
    off = {"return_grid": False, "grid_save": False}
    assert not plan_of(off, batch_size=2, save_images=True).grid
    plan = plan_of({"return_grid": False, "n_rows": 3}, batch_size=2, save_images=True)
    assert (plan.grid, plan.grid_returned, plan.grid_rows) == (True, False, 3)


def test_restoring_faces_is_refused_with_a_reason(plan_of: PlanOf) -> None:
    with pytest.raises(ApiError, match="restore_faces") as caught:
        plan_of(restore_faces=True)
    assert caught.value.status == 501


def test_tags_stay_in_the_prompts(plan_of: PlanOf) -> None:
    plan = plan_of(prompt="a <lora:light:1>", disable_extra_networks=True)
    assert plan.prompts.positive == ("a <lora:light:1>",), "the infotext keeps the tag"
    assert not plan.networks.enabled
    assert plan_of(prompt="a <lora:unknown:1>").prompts.positive == ("a <lora:unknown:1>",)


def test_img2img_and_txt2img_plans_differ_in_their_picture_side(plan_of: PlanOf) -> None:
    plan = plan_of(init_images=[Image.new("RGB", (64, 64))], steps=4, denoising_strength=0.5)
    assert (plan.kind, plan.sampler.t_enc) == ("img2img", 2)
    assert plan.source is not None
    assert plan.hires is None
    plan = plan_of(steps=4, denoising_strength=0.5)
    assert (plan.kind, plan.sampler.t_enc, plan.source) == ("txt2img", None, None)


@pytest.mark.parametrize("name", [None, "", "None"])
def test_no_refiner(plan_of: PlanOf, name: str | None) -> None:
    assert plan_of(refiner_checkpoint=name, refiner_switch_at=0.5).refiner is None


def test_a_refiner_takes_over_in_every_pass_there_is(plan_of: PlanOf) -> None:
    options = {"refiner_switch_by_sample_steps": True}
    plan = plan_of(options, refiner_checkpoint="other", refiner_switch_at=0.8)
    refiner = plan.refiner
    assert refiner is not None
    assert (refiner.model, refiner.switch_at, plan.refiner_by_steps) == (ModelChoice("other"), 0.8, True)
    assert refiner.first_pass
    assert refiner.passes is None
    unset = plan_of(refiner_checkpoint="other")
    assert unset.refiner is not None
    assert (unset.refiner.switch_at, unset.refiner_by_steps) == (None, False)
    assert plan_of(options).refiner_by_steps, "also where there is no refiner"


@pytest.mark.parametrize(
    ("option", "passes", "told"),
    [
        ("second pass", (False, True), None),
        ("first pass", (True, False), "first pass"),
        ("both passes", (True, True), "both passes"),
    ],
)
def test_with_a_second_pass_the_refiner_works_where_the_option_says(
    plan_of: PlanOf, option: str, passes: tuple[bool, bool], told: str | None
) -> None:
    fields = {"refiner_checkpoint": "other", "enable_hr": True, "denoising_strength": 0.5}
    refiner = plan_of({"hires_fix_refiner_pass": option}, **fields).refiner
    assert refiner is not None
    assert ((refiner.first_pass, refiner.second_pass), refiner.passes) == (passes, told)


def test_an_unknown_refiner_is_the_original_error(plan_of: PlanOf) -> None:
    with pytest.raises(Fault, match="Could not find checkpoint with name nobody"):
        plan_of(refiner_checkpoint="nobody")


@pytest.mark.parametrize(("option", "kind"), [("sd_lora", "lora"), ("sd_hypernetwork", "hypernet")])
def test_a_network_for_every_prompt(plan_of: PlanOf, option: str, kind: str) -> None:
    options = {option: "light", "extra_networks_default_multiplier": 0.5}
    plan = plan_of(options, prompt="p", negative_prompt="n")
    assert plan.prompts.positive == (f"p<{kind}:light:0.5>",)
    assert plan.prompts.negative == ("n",)
    named = plan_of(options, prompt=f"p <{kind}:light:1>")
    assert named.prompts.positive == (f"p <{kind}:light:1>",)
    assert plan_of({option: "light"}, prompt="p").prompts.positive == (f"p<{kind}:light:1.0>",)


@pytest.mark.parametrize("option", ["sd_lora", "sd_hypernetwork"])
def test_no_network_for_every_prompt(plan_of: PlanOf, option: str) -> None:
    assert plan_of({option: "None"}, prompt="p").prompts.positive == ("p",)
    assert plan_of({option: "nobody"}, prompt="p").prompts.positive == ("p",), "there is none of that name"
    off = plan_of({option: "light"}, prompt="p", disable_extra_networks=True)
    assert off.prompts.positive == ("p",)


def test_networks_of_both_kinds_for_every_prompt(plan_of: PlanOf) -> None:
    plan = plan_of({"sd_lora": "light", "sd_hypernetwork": "light"}, prompt="p", enable_hr=True,
                   denoising_strength=0.5)  # fmt: skip
    assert plan.prompts.positive == ("p<hypernet:light:1.0><lora:light:1.0>",)
    assert plan.hires is not None
    assert plan.hires.prompts == plan.prompts


def test_an_unknown_grid_format_is_refused_before_anything_is_made(plan_of: PlanOf) -> None:
    with pytest.raises(ApiError, match="Invalid image format"):
        plan_of({"grid_format": "docx"}, save_images=True)
    assert not plan_of({"grid_format": "docx"}).save.samples
