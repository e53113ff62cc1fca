"""The parts of a Plan that are read off the options and the Draft, one function per part."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Literal

import msgspec

from sdapi_compat.imaging.files import JpegCopy, sample_pattern
from sdapi_compat.metadata.images import ImageSpec
from sdapi_compat.plan.output import Preview, Saving
from sdapi_compat.plan.plan import (
    DecodeRules,
    GuidanceRules,
    NetworkRules,
    NoiseRules,
    SamplerRules,
    ScheduleRules,
    TextRules,
    VaeMethods,
)
from sdapi_compat.sampling.recipe import (
    AskedNoise,
    ConfiguredNoise,
    Img2ImgSteps,
    SigmaRecipe,
    UniPCSettings,
    img2img_steps,
    noise_settings,
)
from sdapi_compat.sampling.table import SAMPLER_BY_NAME

if TYPE_CHECKING:
    from pathlib import Path

    from sdapi_compat.options.snapshot import Snapshot
    from sdapi_compat.plan.draft import Draft
    from sdapi_compat.plan.world import World
    from sdapi_compat.sampling.recipe import Churn

TINY_VAE = "TAESD"
ZERO_SNR = "Zero Terminal SNR"
LONGEST_SCHEDULE = 100_000


def text_rules(snapshot: Snapshot) -> TextRules:
    """How prompts become conditioning."""
    return TextRules(
        clip_skip=snapshot.integer("CLIP_stop_at_last_layers"),
        emphasis=snapshot.text("emphasis"),
        old_emphasis=snapshot.flag("use_old_emphasis_implementation"),
        comma_backtrack=snapshot.integer("comma_padding_backtrack"),
        old_scheduling=snapshot.flag("use_old_scheduling"),
        pad_cond_uncond=snapshot.flag("pad_cond_uncond"),
        pad_cond_uncond_v0=snapshot.flag("pad_cond_uncond_v0"),
        first_pass_conds=snapshot.flag("hires_fix_use_firstpass_conds"),
    )


def noise_rules(draft: Draft, snapshot: Snapshot) -> NoiseRules:
    """Where noise comes from."""
    width, height = draft.seed_resize_from_w, draft.seed_resize_from_h
    return NoiseRules(
        source=_noise_source(snapshot.text("randn_source")),
        subseed_strength=draft.subseed_strength,
        resize_from=(width, height) if width > 0 and height > 0 else None,
        ensd=snapshot.integer("eta_noise_seed_delta"),
    )


def _noise_source(option: str) -> Literal["GPU", "CPU", "NV"]:
    """A1111 1.10.1 behaviour: anything but CPU and NV draws on the device."""
    return "CPU" if option == "CPU" else "NV" if option == "NV" else "GPU"


def guidance_rules(draft: Draft, snapshot: Snapshot) -> GuidanceRules:
    """Classifier-free guidance."""
    asked = draft.s_min_uncond
    return GuidanceRules(
        cfg_scale=draft.cfg_scale,
        image_cfg_scale=draft.picture.image_cfg_scale if draft.picture else None,
        skip_early=snapshot.number("skip_early_cond"),
        s_min_uncond=snapshot.number("s_min_uncond") if asked is None else asked,
        s_min_uncond_all=snapshot.flag("s_min_uncond_all"),
    )


def sampler_rules(draft: Draft, snapshot: Snapshot, recipe: SigmaRecipe, t_enc: int | None) -> SamplerRules:
    """One run of a sampler."""
    spec = SAMPLER_BY_NAME[recipe.sampler]
    asked = AskedNoise(
        eta=draft.eta, s_churn=draft.s_churn, s_tmin=draft.s_tmin, s_tmax=draft.s_tmax, s_noise=draft.s_noise
    )
    configured = ConfiguredNoise(
        eta_ancestral=snapshot.number("eta_ancestral"),
        eta_ddim=snapshot.number("eta_ddim"),
        s_churn=snapshot.number("s_churn"),
        s_tmin=snapshot.number("s_tmin"),
        s_tmax=snapshot.number("s_tmax"),
        s_noise=snapshot.number("s_noise"),
    )
    settings = noise_settings(spec, asked, configured)
    return SamplerRules(
        recipe=recipe,
        t_enc=t_enc,
        eta=settings.eta,
        churn=_finite(settings.churn),
        infotext=settings.infotext,
        unipc=UniPCSettings(
            variant=snapshot.text("uni_pc_variant"),
            skip_type=snapshot.text("uni_pc_skip_type"),
            order=snapshot.integer("uni_pc_order"),
            lower_order_final=snapshot.flag("uni_pc_lower_order_final"),
        ),
        sgm_noise_multiplier=snapshot.flag("sgm_noise_multiplier"),
        batch_determinism=not snapshot.flag("no_dpmpp_sde_batch_determinism"),
    )


def _finite(churn: Churn) -> Churn:
    """JSON has no infinity, and a plan must survive it; no noise level reaches the largest float."""
    if not math.isinf(churn.s_tmax):
        return churn
    return msgspec.structs.replace(churn, s_tmax=sys.float_info.max)


def partial_steps(steps: int, denoise: float, *, fixed: bool) -> Img2ImgSteps:
    """The step rule of img2img and hires; a strength of 0 or less runs one last, tiny step.

    The schedule has at most LONGEST_SCHEDULE steps, however small the strength.
    """
    if denoise * LONGEST_SCHEDULE < 1:
        return Img2ImgSteps(steps, 0)
    total, t_enc = img2img_steps(steps, denoise, fixed)
    return Img2ImgSteps(min(total, max(steps, LONGEST_SCHEDULE)), t_enc)


def sigma_recipe(sampler: str, scheduler: str, steps: int, snapshot: Snapshot) -> SigmaRecipe:
    """Which noise levels a sampler visits."""
    return SigmaRecipe(
        sampler=sampler,
        scheduler=scheduler,
        steps=steps,
        sigma_min=snapshot.number("sigma_min"),
        sigma_max=snapshot.number("sigma_max"),
        rho=snapshot.number("rho"),
        use_old_karras_scheduler_sigmas=snapshot.flag("use_old_karras_scheduler_sigmas"),
        always_discard_next_to_last_sigma=snapshot.flag("always_discard_next_to_last_sigma"),
        beta_dist_alpha=snapshot.number("beta_dist_alpha"),
        beta_dist_beta=snapshot.number("beta_dist_beta"),
    )


def schedule_rules(snapshot: Snapshot) -> ScheduleRules:
    """How the model's noise schedule is bent."""
    return ScheduleRules(
        downcast=snapshot.flag("use_downcasted_alpha_bar"),
        zero_terminal_snr=snapshot.text("sd_noise_schedule") == ZERO_SNR,
        quantize=snapshot.flag("enable_quantization"),
    )


def token_merging(draft: Draft, snapshot: Snapshot, *, hires: bool) -> float:
    """The share of tokens to merge in a pass; what is 0 leaves the word to the next.

    A1111 1.10.1 behaviour: the hires pass has an option of its own, and so has img2img, which yields to a
    token_merging_ratio in the request's override_settings.
    """
    general = snapshot.number("token_merging_ratio")
    if hires:
        return snapshot.number("token_merging_ratio_hr") or general
    asked = general and "token_merging_ratio" in snapshot.overridden
    if draft.kind == "txt2img" or asked:
        return general
    return snapshot.number("token_merging_ratio_img2img") or general


def decode_rules(snapshot: Snapshot, world: World) -> DecodeRules:
    """What to do about NaN in decoded pictures."""
    return DecodeRules(
        check=world.check_nan,
        to_float32=snapshot.flag("auto_vae_precision"),
        to_bfloat16=snapshot.flag("auto_vae_precision_bfloat16"),
        tiny=snapshot.text("sd_vae_decode_method") == TINY_VAE,
    )


def vae_methods(snapshot: Snapshot) -> VaeMethods:
    """What decodes and encodes, as the infotext names it."""
    return VaeMethods(snapshot.text("sd_vae_decode_method"), snapshot.text("sd_vae_encode_method"))


def network_rules(draft: Draft, snapshot: Snapshot) -> NetworkRules:
    """What becomes of extra-network tags in prompts."""
    return NetworkRules(
        enabled=not draft.disable_extra_networks,
        hashes=snapshot.flag("lora_add_hashes_to_infotext"),
        bundled=snapshot.flag("lora_bundled_ti_to_infotext"),
    )


def preview(snapshot: Snapshot) -> Preview:
    """When to show something in /progress, and how."""
    every = snapshot.integer("show_progress_every_n_steps") if snapshot.flag("live_previews_enable") else 0
    return Preview(
        every=max(every, 0),
        content=snapshot.text("live_preview_content"),
        kind=snapshot.text("show_progress_type"),
        grid=snapshot.flag("show_progress_grid"),
        full_always=snapshot.flag("live_preview_allow_lowvram_full"),
    )


def saving(draft: Draft, snapshot: Snapshot, world: World) -> Saving:
    """Which files to write. A1111 1.10.1 behaviour: over the API nothing unless `save_images`."""
    kind = draft.kind
    if draft.save_images:
        # An unknown format is refused before anything is generated.
        ImageSpec(format=snapshot.text("grid_format"))
    to_dirs = snapshot.flag("save_to_dirs")
    init_directory = _absolute(world.data_dir, snapshot.text("outdir_init_images"))
    jpeg_copy = None
    if snapshot.flag("export_for_4chan"):
        over = snapshot.number("img_downscale_threshold")
        jpeg_copy = JpegCopy(over_megabytes=over, over_side=snapshot.number("target_side_length"))
    return Saving(
        samples=draft.save_images and snapshot.flag("samples_save"),
        before_hires=snapshot.flag("save_images_before_highres_fix"),
        before_color_correction=snapshot.flag("save_images_before_color_correction"),
        mask=snapshot.flag("save_mask"),
        mask_composite=snapshot.flag("save_mask_composite"),
        init_directory=init_directory if snapshot.flag("save_init_img") else None,
        grid_decorated=snapshot.flag("grid_extended_filename"),
        grid=draft.save_images and snapshot.flag("grid_save"),
        directory=_absolute(world.data_dir, snapshot.text(f"outdir_{kind}_samples")),
        grid_directory=_absolute(world.data_dir, snapshot.text(f"outdir_{kind}_grids")),
        to_subdirectories=to_dirs,
        grid_to_subdirectories=snapshot.flag("grid_save_to_dirs"),
        subdirectory_pattern=snapshot.text("directories_filename_pattern"),
        name_pattern=sample_pattern(snapshot.text("samples_filename_pattern"), save_to_dirs=to_dirs),
        add_number=snapshot.flag("save_images_add_number"),
        replace_action=snapshot.text("save_images_replace_action"),
        format=snapshot.text("samples_format"),
        grid_format=snapshot.text("grid_format"),
        quality=snapshot.integer("jpeg_quality"),
        lossless=snapshot.flag("webp_lossless"),
        text_file=snapshot.flag("save_txt"),
        incomplete=snapshot.flag("save_incomplete_images"),
        max_name_length=world.max_name_length,
        prompt_words=snapshot.integer("directories_max_prompt_words"),
        unix_names=world.unix_names,
        jpeg_copy=jpeg_copy,
        params_file=str(world.data_dir / "params.txt") if world.keep_history else None,
    )


def _absolute(data_dir: Path, directory: str) -> str:
    return str(data_dir / directory)
