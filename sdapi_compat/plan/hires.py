"""The second pass of txt2img: its size, its prompts, its sampler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from sdapi_compat.errors import Fault
from sdapi_compat.imaging.hires import hires_target
from sdapi_compat.imaging.upscalers import LATENT_MODES, UpscalerList
from sdapi_compat.plan.checks import check_steps
from sdapi_compat.plan.plan import Hires
from sdapi_compat.plan.rules import partial_steps, sampler_rules, sigma_recipe, token_merging
from sdapi_compat.sampling.table import SAMPLER_BY_NAME, normalise, schedule_type

if TYPE_CHECKING:
    from sdapi_compat.options.snapshot import Snapshot
    from sdapi_compat.plan.draft import Draft, HiresDraft
    from sdapi_compat.plan.plan import ModelChoice, Prompts, SamplerRules
    from sdapi_compat.plan.prompts import PromptRules
    from sdapi_compat.plan.world import World

DEFAULT_UPSCALER = "Latent"
CHECKPOINT_LABEL = "Hires checkpoint"
SAME = {"Use same sampler", "Use same scheduler", "Use same checkpoint"}


class HiresPlanner:
    """Plans the second pass of one Draft; `extra` collects its infotext pairs in the original's order."""

    def __init__(self, draft: Draft, hires: HiresDraft, snapshot: Snapshot, world: World) -> None:
        self._draft, self._hires, self._snapshot, self._world = draft, hires, snapshot, world
        self.extra: dict[str, Any] = {"Denoising strength": draft.denoising_strength}

    def plan(self, model: ModelChoice, first: Prompts, rules: PromptRules) -> Hires:
        """Raises Fault as the original does for an unknown checkpoint, sampler or upscaler."""
        hires, draft = self._hires, self._draft
        model = self._model(model)
        sampler = self._sampler()
        prompts = rules.prepare(
            hires.prompt or draft.prompt, hires.negative_prompt or draft.negative_prompt, len(first.positive)
        )
        self._report_prompts(prompts, first)
        self._report_size()
        assert draft.denoising_strength is not None
        return Hires(
            model=model,
            prompts=prompts,
            sampler=sampler,
            steps=hires.steps or draft.steps,
            denoising_strength=draft.denoising_strength,
            upscaler=self._upscaler(),
            target=hires_target((draft.width, draft.height), hires.scale, hires.resize_x, hires.resize_y),
            extra_noise=self._snapshot.number("img2img_extra_noise"),
            token_merging=token_merging(draft, self._snapshot, hires=True),
        )

    def _model(self, model: ModelChoice) -> ModelChoice:
        name = self._hires.checkpoint
        if not name or name in SAME:
            return model
        found, title = self._world.models.named(name, self._snapshot)
        self.extra[CHECKPOINT_LABEL] = title
        return found

    def _sampler(self) -> SamplerRules:
        hires, draft = self._hires, self._draft
        name = draft.sampler if not hires.sampler or hires.sampler in SAME else hires.sampler
        if name not in SAMPLER_BY_NAME:
            raise Fault("AssertionError", f"bad sampler name: {name}")
        if name != draft.sampler:
            self.extra["Hires sampler"] = name
        scheduler = draft.scheduler
        if hires.scheduler and hires.scheduler not in SAME:
            scheduler = normalise(name, hires.scheduler, fold_default=False).scheduler
        strength = draft.denoising_strength or 0.0
        steps = partial_steps(hires.steps or draft.steps, strength, fixed=True)
        recipe = sigma_recipe(name, scheduler, steps.total, self._snapshot)
        first_pass_type = schedule_type(draft.sampler, draft.scheduler)
        recipe = msgspec.structs.replace(recipe, hires=True, first_pass_type=first_pass_type)
        check_steps("hr_second_pass_steps" if hires.steps else "steps", recipe)
        return sampler_rules(draft, self._snapshot, recipe, steps.t_enc)

    def _upscaler(self) -> str:
        name = self._hires.upscaler or DEFAULT_UPSCALER
        if name not in LATENT_MODES:
            UpscalerList().require(name)
        return name

    def _report_prompts(self, prompts: Prompts, first: Prompts) -> None:
        self.extra["Hires prompt"] = _differing(prompts.positive, first.positive)
        self.extra["Hires negative prompt"] = _differing(prompts.negative, first.negative)

    def _report_size(self) -> None:
        hires = self._hires
        self.extra["Hires schedule type"] = None
        if hires.resize_x == 0 and hires.resize_y == 0:
            self.extra["Hires upscale"] = hires.scale
        else:
            self.extra["Hires resize"] = f"{hires.resize_x}x{hires.resize_y}"
        if hires.steps:
            self.extra["Hires steps"] = hires.steps
        if hires.upscaler is not None:
            self.extra["Hires upscaler"] = hires.upscaler


def _differing(prompts: tuple[str, ...], first: tuple[str, ...]) -> list[str | None]:
    """Per image: the hires prompt where it is another than the image's own."""
    return [ours if ours != theirs else None for ours, theirs in zip(prompts, first, strict=True)]
