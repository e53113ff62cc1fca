"""Draft + options snapshot -> Plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sdapi_compat.errors import ApiError
from sdapi_compat.plan import rules
from sdapi_compat.plan.hires import HiresPlanner
from sdapi_compat.plan.picture import plan_picture
from sdapi_compat.plan.plan import Plan, Refiner, Report
from sdapi_compat.plan.prompts import PromptOptions, PromptRules
from sdapi_compat.plan.seeds import per_image
from sdapi_compat.prompt.extra_networks import extract
from sdapi_compat.sampling.recipe import shows_ensd
from sdapi_compat.sampling.table import SAMPLER_BY_NAME

if TYPE_CHECKING:
    from sdapi_compat.options.snapshot import Snapshot
    from sdapi_compat.plan.draft import Draft
    from sdapi_compat.plan.plan import Prompts, SamplerRules
    from sdapi_compat.plan.world import World

# The version whose behaviour and infotext this server speaks; readers of infotexts decide by it.
SPOKEN_VERSION = "v1.10.1"
FIRST_PASS, SECOND_PASS, BOTH_PASSES = "first pass", "second pass", "both passes"


def build(draft: Draft, snapshot: Snapshot, world: World) -> Plan:
    """All that can be known without a model. CPU work for img2img pictures; call it off the event loop.

    Raises InvalidRequest, ApiError or Fault for what cannot be planned.
    """
    if draft.picture is not None and 1 < len(draft.picture.init_images) < draft.batch_size:
        # A1111 1.10.1 behaviour: several init images are one batch, whatever batch_size says.
        draft = draft.change(batch_size=len(draft.picture.init_images))
    count = draft.batch_size * draft.n_iter
    prompt_rules = PromptRules(world.styles, draft.styles, _prompt_options(snapshot))
    prompts = prompt_rules.prepare(draft.prompt, draft.negative_prompt, count)
    if not draft.disable_extra_networks:
        _refuse_what_is_not_built(prompts, world)
    model = world.models.configured(snapshot)
    source, hires, extra = None, None, dict(draft.extra)
    if draft.picture is not None:
        picture = plan_picture(draft, draft.picture, snapshot)
        source, extra = picture.source, extra | picture.extra
    if draft.hires is not None:
        planner = HiresPlanner(draft, draft.hires, snapshot, world)
        hires = planner.plan(model, prompts, prompt_rules)
        if not draft.disable_extra_networks:
            _refuse_what_is_not_built(hires.prompts, world)
        extra |= planner.extra
    sampler = _sampler(draft, snapshot)
    extra |= _option_extra(prompts, snapshot)
    return Plan(
        kind=draft.kind,
        model=model,
        prompts=prompts,
        seeds=per_image(draft.seed, count, step=draft.subseed_strength == 0),
        subseeds=per_image(draft.subseed, count, step=True),
        width=draft.width,
        height=draft.height,
        batch_size=draft.batch_size,
        n_iter=draft.n_iter,
        tiling=draft.tiling,
        mask_weight=snapshot.number("inpainting_mask_weight"),
        schedule=rules.schedule_rules(snapshot),
        networks=rules.network_rules(draft, snapshot),
        decoding=rules.decode_rules(snapshot, world),
        text=rules.text_rules(snapshot),
        noise=rules.noise_rules(draft, snapshot),
        guidance=rules.guidance_rules(draft, snapshot),
        sampler=sampler,
        hires=hires,
        refiner=_refiner(draft, snapshot, world),
        source=source,
        grid=draft.grid and (snapshot.flag("return_grid") or snapshot.flag("grid_save")),
        grid_returned=snapshot.flag("return_grid"),
        grid_only_if_multiple=snapshot.flag("grid_only_if_multiple"),
        grid_rows=snapshot.integer("n_rows"),
        grid_prevent_empty=snapshot.flag("grid_prevent_empty_spots"),
        grid_background=snapshot.text("grid_background_color"),
        return_mask=snapshot.flag("return_mask"),
        return_mask_composite=snapshot.flag("return_mask_composite"),
        save=rules.saving(draft, snapshot, world),
        report=_report(draft, snapshot, sampler, extra),
        preview=rules.preview(snapshot),
    )


def _refuse_what_is_not_built(prompts: Prompts, world: World) -> None:
    """501 with a reason for networks that are here but cannot be applied, rather than another picture."""
    for prompt in dict.fromkeys(prompts.positive):
        reason = world.models.missing_support(extract(prompt)[1])
        if reason is not None:
            raise ApiError(501, reason)


def _prompt_options(snapshot: Snapshot) -> PromptOptions:
    return PromptOptions(
        comments=snapshot.flag("enable_prompt_comments"),
        always=snapshot.text("sd_lora"),
        strength=snapshot.number("extra_networks_default_multiplier"),
    )


def _refiner(draft: Draft, snapshot: Snapshot, world: World) -> Refiner | None:
    name = draft.refiner_checkpoint
    if name in (None, "", "None", "none"):
        return None
    model, _ = world.models.named(str(name), snapshot)
    passes = snapshot.text("hires_fix_refiner_pass") if draft.hires else BOTH_PASSES
    return Refiner(
        model=model,
        switch_at=draft.refiner_switch_at,
        by_steps=snapshot.flag("refiner_switch_by_sample_steps"),
        first_pass=passes != SECOND_PASS,
        second_pass=passes != FIRST_PASS,
        passes=passes if draft.hires and passes != SECOND_PASS else None,
    )


def _sampler(draft: Draft, snapshot: Snapshot) -> SamplerRules:
    steps, t_enc = draft.steps, None
    if draft.picture is not None:
        fixed = snapshot.flag("img2img_fix_steps")
        steps, t_enc = rules.partial_steps(draft.steps, draft.denoising_strength or 0.0, fixed=fixed)
    recipe = rules.sigma_recipe(draft.sampler, draft.scheduler, steps, snapshot)
    return rules.sampler_rules(draft, snapshot, recipe, t_enc)


def _option_extra(prompts: Prompts, snapshot: Snapshot) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    emphasis = snapshot.text("emphasis")
    texts = (*prompts.positive, *prompts.negative)
    if emphasis != "Original" and any("(" in text or "[" in text for text in texts):
        extra["Emphasis"] = emphasis
    if snapshot.flag("use_old_scheduling"):
        extra["Old prompt editing timelines"] = True
    if snapshot.flag("use_downcasted_alpha_bar"):
        extra["Downcast alphas_cumprod"] = True
    if snapshot.text("sd_noise_schedule") == rules.ZERO_SNR:
        extra["Noise Schedule"] = rules.ZERO_SNR
    if snapshot.flag("sgm_noise_multiplier"):
        extra["SGM noise multiplier"] = True
    return extra


def _report(draft: Draft, snapshot: Snapshot, sampler: SamplerRules, extra: dict[str, Any]) -> Report:
    spec = SAMPLER_BY_NAME[draft.sampler]
    ensd = snapshot.integer("eta_noise_seed_delta")
    return Report(
        steps=draft.steps,
        denoising_strength=draft.denoising_strength,
        seed_resize=(draft.seed_resize_from_w, draft.seed_resize_from_h),
        model_name=snapshot.flag("add_model_name_to_info"),
        model_hash=snapshot.flag("add_model_hash_to_info"),
        vae_name=snapshot.flag("add_vae_name_to_info"),
        vae_hash=snapshot.flag("add_vae_hash_to_info"),
        embedding_hashes=snapshot.flag("textual_inversion_add_hashes_to_infotext"),
        version=SPOKEN_VERSION if snapshot.flag("add_version_to_infotext") else None,
        embed=snapshot.flag("enable_pnginfo"),
        styles=draft.styles,
        asked_prompt=draft.prompt if isinstance(draft.prompt, str) else "",
        scheduler=draft.scheduler,
        shows_ensd=shows_ensd(spec, sampler.eta, ensd),
        extra=extra,
    )
