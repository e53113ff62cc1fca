"""What each part of a Plan takes from the options and the request."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from sdapi_compat.options.snapshot import Snapshot
from sdapi_compat.plan import rules
from sdapi_compat.plan.draft import Draft
from sdapi_compat.plan.plan import SamplerRules, VaeMethods
from sdapi_compat.plan.world import World

Make = Callable[..., Draft]


def snapshot(**options: Any) -> Snapshot:
    return Snapshot(options)


def test_text_rules() -> None:
    text = rules.text_rules(snapshot())
    assert (text.clip_skip, text.emphasis, text.comma_backtrack) == (1, "Original", 20)
    assert (text.old_scheduling, text.pad_cond_uncond, text.pad_cond_uncond_v0) == (False, False, False)
    text = rules.text_rules(
        snapshot(
            CLIP_stop_at_last_layers=2, emphasis="No norm", use_old_scheduling=True, pad_cond_uncond=True
        )
    )
    assert (text.clip_skip, text.emphasis, text.old_scheduling) == (2, "No norm", True)
    assert text.pad_cond_uncond


@pytest.mark.parametrize(("option", "source"), [("GPU", "GPU"), ("CPU", "CPU"), ("NV", "NV"), ("?", "GPU")])
def test_noise_source(txt2img: Make, option: str, source: str) -> None:
    assert rules.noise_rules(txt2img(), snapshot(randn_source=option)).source == source


@pytest.mark.parametrize(
    ("width", "height", "resize"),
    [(-1, -1, None), (96, -1, None), (-1, 96, None), (0, 96, None), (96, 64, (96, 64))],
)
def test_seed_resize_needs_both_sides(
    txt2img: Make, width: int, height: int, resize: tuple[int, int] | None
) -> None:
    draft = txt2img(seed_resize_from_w=width, seed_resize_from_h=height)
    assert rules.noise_rules(draft, snapshot()).resize_from == resize


def test_seed_options(txt2img: Make) -> None:
    noise = rules.noise_rules(txt2img(subseed_strength=0.3), snapshot(eta_noise_seed_delta=31337))
    assert (noise.subseed_strength, noise.ensd) == (0.3, 31337)


def test_guidance(txt2img: Make, img2img: Make) -> None:
    options = snapshot(s_min_uncond=1.5, skip_early_cond=0.2, s_min_uncond_all=True)
    guidance = rules.guidance_rules(txt2img(cfg_scale=4.0), options)
    assert (guidance.cfg_scale, guidance.skip_early, guidance.s_min_uncond) == (4.0, 0.2, 1.5)
    assert guidance.s_min_uncond_all
    assert guidance.image_cfg_scale is None
    assert rules.guidance_rules(txt2img(s_min_uncond=0.0), options).s_min_uncond == 0.0
    assert rules.guidance_rules(img2img(image_cfg_scale=1.5), options).image_cfg_scale == 1.5


def sampled(draft: Draft, options: Snapshot) -> SamplerRules:
    recipe = rules.sigma_recipe(draft.sampler, draft.scheduler, draft.steps, options)
    return rules.sampler_rules(draft, options, recipe, None)


def test_eta_is_the_request_or_the_option_of_the_family(txt2img: Make) -> None:
    options = snapshot(eta_ancestral=0.7, eta_ddim=0.2)
    made = sampled(txt2img(sampler_name="Euler a"), options)
    assert (made.eta, made.infotext) == (0.7, {"Eta": 0.7})
    made = sampled(txt2img(sampler_name="DDIM"), options)
    assert (made.eta, made.infotext) == (0.2, {"Eta DDIM": 0.2})
    made = sampled(txt2img(sampler_name="Euler a", eta=1.0), options)
    assert (made.eta, made.infotext) == (1.0, {})
    made = sampled(txt2img(sampler_name="Euler"), options)
    assert made.infotext == {}


def test_an_option_that_was_changed_beats_the_request(txt2img: Make) -> None:
    made = sampled(txt2img(s_churn=4.0, s_noise=1.1), snapshot(s_churn=2.0))
    assert (made.churn.s_churn, made.churn.s_noise) == (2.0, 1.1)
    assert made.infotext == {"Sigma churn": 2.0}


def test_no_upper_end_of_churn_is_a_number_json_can_hold(txt2img: Make) -> None:
    made = sampled(txt2img(), snapshot())
    assert math.isfinite(made.churn.s_tmax)
    assert made.churn.s_tmax > 1e300
    made = sampled(txt2img(s_tmax=0.0), snapshot())
    assert made.churn.s_tmax > 1e300
    made = sampled(txt2img(s_tmax=9.0), snapshot())
    assert made.churn.s_tmax == 9.0


def test_sampler_options(txt2img: Make) -> None:
    options = snapshot(
        uni_pc_variant="bh2", uni_pc_skip_type="logSNR", uni_pc_order=2, no_dpmpp_sde_batch_determinism=True
    )
    made = sampled(txt2img(), options)
    assert (made.unipc.variant, made.unipc.skip_type, made.unipc.order) == ("bh2", "logSNR", 2)
    assert not made.batch_determinism
    assert made.unipc.lower_order_final


def test_schedule_recipe() -> None:
    options = snapshot(
        sigma_min=0.1, sigma_max=9.0, rho=5.0, use_old_karras_scheduler_sigmas=True, beta_dist_alpha=0.5
    )
    recipe = rules.sigma_recipe("DPM++ 2M", "Karras", 7, options)
    assert (recipe.sampler, recipe.scheduler, recipe.steps) == ("DPM++ 2M", "Karras", 7)
    assert (recipe.sigma_min, recipe.sigma_max, recipe.rho) == (0.1, 9.0, 5.0)
    assert recipe.use_old_karras_scheduler_sigmas
    assert (recipe.beta_dist_alpha, recipe.beta_dist_beta) == (0.5, 0.6)
    assert not recipe.hires


@pytest.mark.parametrize("check", [True, False])
def test_what_to_do_about_nan(world: World, check: bool) -> None:
    made = rules.decode_rules(snapshot(), world._replace(check_nan=check))
    assert (made.check, made.to_float32, made.to_bfloat16) == (check, True, False)
    other = rules.decode_rules(snapshot(auto_vae_precision=False, auto_vae_precision_bfloat16=True), world)
    assert (other.to_float32, other.to_bfloat16) == (False, True)


def test_networks(txt2img: Make) -> None:
    made = rules.network_rules(txt2img(), snapshot())
    assert (made.enabled, made.hashes) == (True, True)
    made = rules.network_rules(
        txt2img(disable_extra_networks=True), snapshot(lora_add_hashes_to_infotext=False)
    )
    assert (made.enabled, made.hashes) == (False, False)


def test_schedule_rules() -> None:
    plain = rules.schedule_rules(snapshot())
    assert (plain.downcast, plain.zero_terminal_snr, plain.quantize) == (False, False, False)
    bent = rules.schedule_rules(
        snapshot(
            use_downcasted_alpha_bar=True, sd_noise_schedule="Zero Terminal SNR", enable_quantization=True
        )
    )
    assert (bent.downcast, bent.zero_terminal_snr, bent.quantize) == (True, True, True)


@pytest.mark.parametrize(
    ("options", "every"),
    [
        ({}, 10),
        ({"show_progress_every_n_steps": 3}, 3),
        ({"show_progress_every_n_steps": -1}, 0),
        ({"live_previews_enable": False}, 0),
    ],
)
def test_previews(options: dict[str, Any], every: int) -> None:
    assert rules.preview(Snapshot(options)).every == every


def test_what_previews_are_made_of() -> None:
    plain = rules.preview(snapshot())
    assert (plain.content, plain.kind, plain.grid, plain.full_always) == ("Prompt", "Approx NN", True, False)
    asked = rules.preview(
        snapshot(
            live_preview_content="Combined",
            show_progress_type="Full",
            show_progress_grid=False,
            live_preview_allow_lowvram_full=True,
        )
    )
    assert (asked.content, asked.kind, asked.grid, asked.full_always) == ("Combined", "Full", False, True)


def test_what_decodes_and_encodes(world: World) -> None:
    assert rules.vae_methods(snapshot()) == VaeMethods("Full", "Full")
    assert not rules.decode_rules(snapshot(), world).tiny
    options = snapshot(sd_vae_decode_method="TAESD", sd_vae_encode_method="Approx")
    assert rules.vae_methods(options) == VaeMethods("TAESD", "Approx")
    assert rules.decode_rules(options, world).tiny


def test_nothing_is_saved_unless_asked(txt2img: Make, world: World) -> None:
    saving = rules.saving(txt2img(), snapshot(), world)
    assert (saving.samples, saving.grid) == (False, False)
    saving = rules.saving(txt2img(save_images=True), snapshot(), world)
    assert (saving.samples, saving.grid) == (True, True)
    saving = rules.saving(txt2img(save_images=True), snapshot(samples_save=False, grid_save=False), world)
    assert (saving.samples, saving.grid) == (False, False)


def test_folders_are_absolute_and_of_the_kind(txt2img: Make, img2img: Make, world: World) -> None:
    saving = rules.saving(txt2img(), snapshot(), world)
    assert saving.directory == str(world.data_dir / "outputs/txt2img-images")
    assert saving.grid_directory == str(world.data_dir / "outputs/txt2img-grids")
    saving = rules.saving(img2img(), snapshot(outdir_img2img_grids="/elsewhere"), world)
    assert saving.directory == str(world.data_dir / "outputs/img2img-images")
    assert saving.grid_directory == "/elsewhere"


def test_names_and_formats(txt2img: Make, world: World) -> None:
    saving = rules.saving(txt2img(), snapshot(), world)
    assert (saving.name_pattern, saving.subdirectory_pattern) == ("[seed]", "[date]")
    assert (saving.format, saving.grid_format, saving.quality) == ("png", "png", 80)
    saving = rules.saving(txt2img(), snapshot(save_to_dirs=False, samples_format="webp"), world)
    assert (saving.name_pattern, saving.format) == ("[seed]-[prompt_spaces]", "webp")
    saving = rules.saving(txt2img(), snapshot(samples_filename_pattern="[cfg]"), world)
    assert saving.name_pattern == "[cfg]"


def test_the_small_copy_of_large_pictures_is_an_option(txt2img: Make, world: World) -> None:
    copy = rules.saving(txt2img(), snapshot(), world).jpeg_copy
    assert copy is not None
    assert (copy.over_megabytes, copy.over_side) == (4.0, 4000.0)
    assert rules.saving(txt2img(), snapshot(export_for_4chan=False), world).jpeg_copy is None


def test_the_prompt_history_can_be_off(txt2img: Make, world: World) -> None:
    saving = rules.saving(txt2img(), snapshot(), world)
    assert saving.params_file == str(world.data_dir / "params.txt")
    assert rules.saving(txt2img(), snapshot(), world._replace(keep_history=False)).params_file is None


MERGING = {"token_merging_ratio": 0.5, "token_merging_ratio_img2img": 0.3, "token_merging_ratio_hr": 0.2}


@pytest.mark.parametrize(
    ("options", "txt2img_ratio", "img2img_ratio", "hires_ratio"),
    [
        ({}, 0.0, 0.0, 0.0),
        ({"token_merging_ratio": 0.5}, 0.5, 0.5, 0.5),
        ({"token_merging_ratio_img2img": 0.3}, 0.0, 0.3, 0.0),
        ({"token_merging_ratio_hr": 0.2}, 0.0, 0.0, 0.2),
        (MERGING, 0.5, 0.3, 0.2),
    ],
)
def test_token_merging(
    txt2img: Make,
    img2img: Make,
    options: dict[str, float],
    txt2img_ratio: float,
    img2img_ratio: float,
    hires_ratio: float,
) -> None:
    now = snapshot(**options)
    assert rules.token_merging(txt2img(), now, hires=False) == txt2img_ratio
    assert rules.token_merging(img2img(), now, hires=False) == img2img_ratio
    assert rules.token_merging(txt2img(), now, hires=True) == hires_ratio


def test_a_request_that_names_the_general_ratio_wins_over_that_of_img2img(img2img: Make) -> None:
    stored = snapshot(**MERGING)
    for ratio in (0.5, 0.4):
        named = stored.overlay({"token_merging_ratio": ratio})
        assert rules.token_merging(img2img(), named, hires=False) == ratio
    nothing = stored.overlay({"token_merging_ratio": 0})
    assert rules.token_merging(img2img(), nothing, hires=False) == 0.3, "0 is no ratio"
    other = stored.overlay({"token_merging_ratio_img2img": 0.1})
    assert rules.token_merging(img2img(), other, hires=False) == 0.1
