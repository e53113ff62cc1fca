"""The passes of one batch: noise or picture in, latents out; then the hires pass if there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import torch

from sdapi_compat.engine.asks import Decode, Describe
from sdapi_compat.engine.conditioning import Texts, encode_prompts
from sdapi_compat.engine.guided import Guide
from sdapi_compat.engine.networks import adapters_of
from sdapi_compat.engine.outputs import Caller
from sdapi_compat.engine.pictures import PictureEncoder
from sdapi_compat.engine.refiner import Refinement
from sdapi_compat.imaging import pixels
from sdapi_compat.imaging.resize import STRETCH, resize
from sdapi_compat.imaging.upscalers import LATENT_MODES, UpscalerList
from sdapi_compat.plan.plan import Prompts
from sdapi_compat.prompt.schedules import ScheduleSteps
from sdapi_compat.sampling.noise import ImageNoise, NoiseSeeds
from sdapi_compat.sampling.noise_schedule import NoiseSchedule, downcast, zero_terminal_snr
from sdapi_compat.sampling.schedules import own_schedule, sigma_plan
from sdapi_compat.sampling.start import SamplerRun, start
from sdapi_compat.sampling.table import SAMPLER_BY_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from torch import Tensor

    from sdapi_compat.engine.asks import Ask
    from sdapi_compat.engine.facts import ModelFacts
    from sdapi_compat.engine.job import Job
    from sdapi_compat.engine.pictures import Prepared
    from sdapi_compat.plan.plan import Hires, ModelChoice, Plan, SamplerRules, ScheduleRules

LATENT_CELL = 8


class Batch(NamedTuple):
    """The images of one batch: their places among all images, and their seeds."""

    images: slice
    seeds: tuple[int, ...]
    subseeds: tuple[int, ...]

    @classmethod
    def of(cls, plan: Plan, number: int) -> Batch:
        """Batch `number` of the plan."""
        images = slice(number * plan.batch_size, (number + 1) * plan.batch_size)
        return cls(images, plan.seeds[images], plan.subseeds[images])

    def prompts(self, all_prompts: Prompts) -> Prompts:
        """The batch's share of the prompts."""
        return Prompts(all_prompts.positive[self.images], all_prompts.negative[self.images])


class Pass(NamedTuple):
    """One run of a sampler: with which model, prompts and rules, from which latents (None: from noise)."""

    facts: ModelFacts
    prompts: Prompts
    sampler: SamplerRules
    steps: ScheduleSteps
    cells: tuple[int, int]
    source: Prepared
    noise_multiplier: float = 1.0
    extra_noise: float = 0.0


class PassRunner:
    """Runs the passes of a plan's batches. `notes`: infotext pairs that only the run knows.

    `last_model` is the model that made the newest latents; its VAE is the one to decode them.
    """

    def __init__(
        self,
        plan: Plan,
        job: Job,
        hooks: Sequence[Callable[[Tensor, float], Tensor]],
        notes: dict[str, Any],
    ) -> None:
        self._plan = plan
        self._job = job
        self._hooks = hooks
        self._notes = notes
        self.last_model = plan.model

    def run(self, batch: Batch) -> Generator[Ask, Any, Tensor]:
        """Latents (B, C, h, w) of a batch, ready to be decoded."""
        plan = self._plan
        facts = yield from self._describe(plan.model, batch.prompts(plan.prompts))
        encoder = PictureEncoder(facts.model, plan, facts)
        cells = (plan.height // LATENT_CELL, plan.width // LATENT_CELL)
        if plan.source is None:
            source = yield from encoder.nothing(batch.seeds, cells)
        else:
            source = yield from encoder.source(plan.source, batch.seeds)
        first = Pass(
            facts=facts,
            prompts=batch.prompts(plan.prompts),
            sampler=plan.sampler,
            steps=ScheduleSteps(_calls(plan.sampler, plan.report.steps), old=plan.text.old_scheduling),
            cells=cells,
            source=source,
            noise_multiplier=1.0 if plan.source is None else plan.source.noise_multiplier,
            extra_noise=0.0 if plan.source is None else plan.source.extra_noise,
        )
        latents = yield from self._sample(batch, first)
        if plan.source is not None and source.blend is not None:
            latents = source.blend.apply(latents)
        if plan.hires is not None and not self._job.control.stopped:
            self._job.progress.next_batch()
            latents = yield from self._second(batch, plan.hires, latents)
        return latents

    def _describe(self, model: ModelChoice, prompts: Prompts) -> Generator[Ask, Any, ModelFacts]:
        """The model, current from now on, with the adapters that the first prompt of the batch asks for.

        A1111 1.10.1 behaviour: the tags of the other prompts are taken out without effect.
        """
        self.last_model = model
        adapters = adapters_of(prompts.positive[0], self._plan.networks)
        facts: ModelFacts = yield Describe(msgspec.structs.replace(model, adapters=adapters))
        if facts.adapter_hashes and self._plan.networks.hashes:
            self._notes.setdefault("Lora hashes", facts.adapter_hashes)
        return facts

    def _second(self, batch: Batch, hires: Hires, latents: Tensor) -> Generator[Ask, Any, Tensor]:
        """The hires pass over the first pass's latents."""
        plan = self._plan
        # Decoded before the second checkpoint is described, so that each is loaded once.
        enlarged = yield from self._enlarged_pictures(hires, latents)
        facts = yield from self._describe(hires.model, batch.prompts(hires.prompts))
        encoder = PictureEncoder(facts.model, plan, facts)
        if enlarged is None:
            larger = _interpolated(latents, hires)
        else:
            larger = yield from encoder.encode(enlarged, batch.seeds)
        rows, columns = hires.target.window(larger.shape[2], larger.shape[3])
        clean = larger[:, :, rows, columns]
        cells = (clean.shape[2], clean.shape[3])
        blank = yield from encoder.nothing(batch.seeds, cells)
        steps = ScheduleSteps(
            _calls(hires.sampler, hires.steps),
            _calls(plan.sampler, plan.report.steps),
            plan.text.old_scheduling,
        )
        second = Pass(
            facts=facts,
            prompts=batch.prompts(hires.prompts),
            sampler=hires.sampler,
            steps=steps,
            cells=cells,
            source=blank._replace(clean=clean),
            extra_noise=hires.extra_noise,
        )
        result = yield from self._sample(batch, second)
        return result

    def _enlarged_pictures(self, hires: Hires, latents: Tensor) -> Generator[Ask, Any, Tensor | None]:
        """For pixel upscalers: the first pass decoded and enlarged, (B, 3, H, W) in [-1, 1]; else None."""
        if hires.upscaler in LATENT_MODES:
            return None
        decoded = yield Decode(self.last_model, latents, self._plan.tiling, self._plan.decoding)
        upscaler, target = UpscalerList().require(hires.upscaler), hires.target
        images = [
            resize(STRETCH, image, target.width, target.height, upscaler)
            for image in pixels.to_images(np.asarray(decoded.cpu()))
        ]
        return torch.from_numpy(np.stack([pixels.to_array(image) for image in images]))

    def _sample(self, batch: Batch, one: Pass) -> Generator[Ask, Any, Tensor]:
        plan, rules = self._plan, one.sampler
        caller = yield from self._caller(one, one.facts)
        schedule = bent(one.facts.schedule, plan.schedule)
        levels = sigma_plan(rules.recipe, schedule)
        self._notes.update(levels.infotext | rules.infotext)
        run = SamplerRun(
            rules=rules,
            plan=levels,
            schedule=schedule,
            noise=ImageNoise((one.facts.latent_channels, *one.cells), self._seeds(batch), one.facts.device),
            clean=one.source.clean,
            noise_multiplier=one.noise_multiplier,
            extra_noise=one.extra_noise,
        )
        self._job.progress.begin_pass(run.steps)
        guide = Guide(
            schedule=schedule,
            caller=caller,
            rules=plan.guidance,
            cfg_multiplier=SAMPLER_BY_NAME[rules.recipe.sampler].cfg_multiplier,
            total_calls=one.steps.steps,
            control=self._job.control,
            watch=self._watch(one.facts),
            notes=self._notes,
            blend=one.source.blend,
            refinement=self._refinement(one, schedule),
            edit=one.facts.conditioning == "edit",
            hooks=self._hooks,
        )
        latents = yield from guide.run(start(run))
        return latents

    def _caller(self, one: Pass, facts: ModelFacts) -> Generator[Ask, Any, Caller]:
        """The pass's prompts encoded by the model of `facts`, ready for model calls."""
        texts = Texts(facts.model, facts.vocabulary, facts.embeddings, self._plan.text, one.steps)
        conditioning = yield from encode_prompts(texts, one.prompts.positive, one.prompts.negative)
        if conditioning.embeddings and self._plan.report.embedding_hashes:
            self._notes["TI hashes"] = facts.embeddings.hashes(conditioning.embeddings) or None
        return Caller(facts.model, conditioning, self._plan.text, one.source.extra, self._plan.tiling)

    def _refinement(self, one: Pass, schedule: NoiseSchedule) -> Refinement | None:
        refiner = self._plan.refiner
        second = one.sampler.recipe.hires
        if refiner is None or refiner.model.checkpoint == one.facts.model.checkpoint:
            return None
        if not (refiner.second_pass if second else refiner.first_pass):
            return None

        def make_caller() -> Generator[Ask, Any, Caller]:
            # Adapters stay as they are: the refiner gets those of the pass.
            adapters = one.facts.model.adapters
            facts: ModelFacts = yield Describe(msgspec.structs.replace(refiner.model, adapters=adapters))
            self._notes["Refiner"] = facts.short_title
            self.last_model = refiner.model
            caller = yield from self._caller(one, facts)
            return caller

        own = own_schedule(SAMPLER_BY_NAME[one.sampler.recipe.sampler], schedule)
        return Refinement(refiner, own, one.steps.steps, make_caller, self._notes)

    def _seeds(self, batch: Batch) -> NoiseSeeds:
        noise = self._plan.noise
        return NoiseSeeds(
            seeds=batch.seeds,
            subseeds=batch.subseeds,
            subseed_strength=noise.subseed_strength,
            resize_from=noise.resize_from,
            source=noise.source,
            ensd=noise.ensd,
        )

    def _watch(self, facts: ModelFacts) -> Callable[[int, Tensor, Tensor, Tensor], None]:
        """Tells the progress which step it is, and keeps latents for previews every so many steps."""
        progress, wish = self._job.progress, self._plan.preview
        shown = 0

        def watch(step: int, first: Tensor, uncond: Tensor, result: Tensor) -> None:
            nonlocal shown
            progress.sampling_step = step
            if wish.every and step - shown >= wish.every:
                shown = step
                chosen = {"Prompt": first, "Negative prompt": uncond}.get(wish.content, result)
                progress.show(np.asarray(chosen.float().cpu()), facts.to_rgb)

        return watch


def _interpolated(latents: Tensor, hires: Hires) -> Tensor:
    """The latents at the second pass's size, by one of the latent upscale modes."""
    mode, target = LATENT_MODES[hires.upscaler], hires.target
    cells = (target.height // LATENT_CELL, target.width // LATENT_CELL)
    return torch.nn.functional.interpolate(latents, size=cells, mode=mode.mode, antialias=mode.antialias)


def bent(schedule: NoiseSchedule, rules: ScheduleRules) -> NoiseSchedule:
    """The model's schedule under the options that change it; itself where none does."""
    if not (rules.downcast or rules.zero_terminal_snr or rules.quantize):
        return schedule
    abar = schedule.alphas_cumprod
    if rules.downcast:
        abar = downcast(abar)
    if rules.zero_terminal_snr:
        abar = zero_terminal_snr(abar)
    return NoiseSchedule(abar, quantize=rules.quantize)


def _calls(rules: SamplerRules, steps: int) -> int:
    return SAMPLER_BY_NAME[rules.recipe.sampler].total_calls(steps)
