"""Draft + options snapshot -> Plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sdapi_compat.plan import checks, rules
from sdapi_compat.plan.hires import HiresPlanner
from sdapi_compat.plan.output import Report
from sdapi_compat.plan.picture import plan_picture
from sdapi_compat.plan.plan import Plan, Refiner
from sdapi_compat.plan.prompts import PromptOptions, PromptRules
from sdapi_compat.plan.seeds import per_image
from sdapi_compat.prompt.extra_networks import HYPERNETWORK, LORA
from sdapi_compat.sampling.recipe import shows_ensd
from sdapi_compat.sampling.table import SAMPLER_BY_NAME

if TYPE_CHECKING:
    from sdapi_compat.options.snapshot import Snapshot
    from sdapi_compat.plan.draft import Draft
    from sdapi_compat.plan.plan import SamplerRules
    from sdapi_compat.plan.world import World

# The version whose behaviour and infotext this server speaks; readers of infotexts decide by it.
SPOKEN_VERSION = "v1.10.1"
NO_NETWORK = "None"
FIRST_PASS, SECOND_PASS, BOTH_PASSES = "first pass", "second pass", "both passes"


def build(draft: Draft, snapshot: Snapshot, world: World) -> Plan:
    """All that can be known without a model. CPU work for img2img pictures; call it off the event loop.

    Raises InvalidRequest, ApiError or Fault for what cannot be planned.
    """
    if draft.picture is not None and 1 < len(draft.picture.init_images) < draft.batch_size:
        # A1111 1.10.1 behaviour: several init images are one batch, whatever batch_size says.
        draft = draft.change(batch_size=len(draft.picture.init_images))
    count = draft.batch_size * draft.n_iter
    prompt_rules = PromptRules(world.styles, draft.styles, _prompt_options(draft, snapshot, world))
    prompts = prompt_rules.prepare(draft.prompt, draft.negative_prompt, count)
    model = world.models.configured(snapshot)
    source, hires, extra = None, None, dict(draft.extra)
    if draft.picture is not None:
        picture = plan_picture(draft, draft.picture, snapshot)
        source, extra = picture.source, extra | picture.extra
    if draft.hires is not None:
        planner = HiresPlanner(draft, draft.hires, snapshot, world)
        hires = planner.plan(model, prompts, prompt_rules)
        extra |= planner.extra
    sampler = _sampler(draft, snapshot)
    seeds, subseeds = _seeds(draft, snapshot, count)
    return Plan(
        kind=draft.kind,
        model=model,
        prompts=prompts,
        seeds=seeds,
        subseeds=subseeds,
        width=draft.width,
        height=draft.height,
        batch_size=draft.batch_size,
        n_iter=draft.n_iter,
        tiling=draft.tiling,
        token_merging=rules.token_merging(draft, snapshot, hires=False),
        mask_weight=snapshot.number("inpainting_mask_weight"),
        schedule=rules.schedule_rules(snapshot),
        networks=rules.network_rules(draft, snapshot),
        decoding=rules.decode_rules(snapshot, world),
        vae_methods=rules.vae_methods(snapshot),
        text=rules.text_rules(snapshot),
        noise=rules.noise_rules(draft, snapshot),
        guidance=rules.guidance_rules(draft, snapshot),
        sampler=sampler,
        hires=hires,
        refiner=_refiner(draft, snapshot, world),
        refiner_by_steps=snapshot.flag("refiner_switch_by_sample_steps"),
        source=source,
        inversion=None if source is None else draft.inversion,
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


def _prompt_options(draft: Draft, snapshot: Snapshot, world: World) -> PromptOptions:
    wished = ((HYPERNETWORK, snapshot.text("sd_hypernetwork")), (LORA, snapshot.text("sd_lora")))
    here = tuple(one for one in wished if one[1] != NO_NETWORK and world.models.has_network(*one))
    return PromptOptions(
        comments=snapshot.flag("enable_prompt_comments"),
        always=() if draft.disable_extra_networks else here,
        strength=snapshot.number("extra_networks_default_multiplier"),
    )


def _seeds(draft: Draft, snapshot: Snapshot, count: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Seeds and subseeds, one per image. InvalidRequest for those no generator takes."""
    seeds = per_image(draft.seed, count, step=draft.subseed_strength == 0)
    subseeds = per_image(draft.subseed, count, step=True)
    checks.check_seeds("seed", seeds, snapshot.integer("eta_noise_seed_delta"))
    checks.check_seeds("subseed", subseeds, 0)
    return seeds, subseeds


def _refiner(draft: Draft, snapshot: Snapshot, world: World) -> Refiner | None:
    name = draft.refiner_checkpoint
    if name in (None, "", "None", "none"):
        return None
    model, _ = world.models.named(str(name), snapshot)
    passes = snapshot.text("hires_fix_refiner_pass") if draft.hires else BOTH_PASSES
    return Refiner(
        model=model,
        switch_at=draft.refiner_switch_at,
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
    checks.check_steps("steps", recipe)
    return rules.sampler_rules(draft, snapshot, recipe, t_enc)


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
