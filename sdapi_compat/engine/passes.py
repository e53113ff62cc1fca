"""The passes of one batch: noise or picture in, latents out; then the hires pass if there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from sdapi_compat.engine import notes
from sdapi_compat.engine.asks import Describe
from sdapi_compat.engine.batch import Pass
from sdapi_compat.engine.conditioning import Texts, encode_prompts
from sdapi_compat.engine.enlarging import LATENT_CELL, Enlarger
from sdapi_compat.engine.guided import Guide
from sdapi_compat.engine.hooks import Sampled
from sdapi_compat.engine.inversion import backwards, recovered
from sdapi_compat.engine.networks import with_networks
from sdapi_compat.engine.outputs import Caller, ForwardRules
from sdapi_compat.engine.pictures import PictureEncoder
from sdapi_compat.engine.refiner import Refinement
from sdapi_compat.engine.watching import Watcher
from sdapi_compat.plan.hires import CHECKPOINT_LABEL
from sdapi_compat.prompt.schedules import ScheduleSteps
from sdapi_compat.sampling.noise import ImageNoise, NoiseSeeds, encoder_noise
from sdapi_compat.sampling.noise_schedule import NoiseSchedule, downcast, zero_terminal_snr
from sdapi_compat.sampling.schedules import own_schedule, sigma_plan
from sdapi_compat.sampling.start import SamplerRun, start
from sdapi_compat.sampling.table import SAMPLER_BY_NAME

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import torch
    from PIL import Image
    from torch import Tensor

    from sdapi_compat.engine.asks import Ask
    from sdapi_compat.engine.batch import Batch
    from sdapi_compat.engine.facts import ModelFacts
    from sdapi_compat.engine.guided import Blend
    from sdapi_compat.engine.hooks import Hooks
    from sdapi_compat.engine.job import Job
    from sdapi_compat.plan.plan import Hires, ModelChoice, Plan, Prompts, SamplerRules, ScheduleRules

FULL_VAE = "Full"
BY_STEPS_LABEL = "Refiner switch by sampling steps"


class PassRunner:
    """Runs the passes of a plan's batches. `notes`: infotext pairs that only the run knows.

    `last_model` is the model that made the newest latents; its VAE is the one to decode them.
    `first_pictures`: the newest batch's pictures before its hires pass, where they are to be saved.
    `overlay_masks`: an extension's masks for the newest batch, none where the plan's own hold.
    """

    def __init__(
        self,
        plan: Plan,
        job: Job,
        hooks: Hooks,
        notes: dict[str, Any],
    ) -> None:
        self._plan = plan
        self._job = job
        self._hooks = hooks
        self._notes = notes
        self.last_model = plan.model
        self.first_pictures: Sequence[Image.Image] = ()
        self.overlay_masks: Sequence[Image.Image] = ()

    def run(self, batch: Batch) -> Generator[Ask, Any, Tensor]:
        """Latents (B, C, h, w) of a batch, ready to be decoded."""
        plan = self._plan
        self.first_pictures = ()
        facts = yield from self._describe(plan.model, batch.prompts(plan.prompts))
        cells = (plan.height // LATENT_CELL, plan.width // LATENT_CELL)
        if plan.source is None:
            drawing = encoder_noise(self._seeds(batch), (facts.latent_channels, *cells), facts.device)
            source = yield from PictureEncoder(plan, facts, drawing).nothing(len(batch.seeds), cells)
        else:
            # A1111 1.10.1 behaviour: encoded once, with the first batch's noise for all batches.
            seeds = plan.seeds[: plan.batch_size]
            drawing = encoder_noise(NoiseSeeds(seeds=seeds), (facts.latent_channels, *cells))
            source = yield from PictureEncoder(plan, facts, drawing).source(plan.source, seeds)
        if source.blend is not None:
            source = source._replace(blend=source.blend._replace(mix=self._hooks.blend))
        first = Pass(
            facts=facts,
            prompts=batch.prompts(plan.prompts),
            sampler=plan.sampler,
            steps=ScheduleSteps(_calls(plan.sampler, plan.report.steps), old=plan.text.old_scheduling),
            cells=cells,
            source=source,
            noise_multiplier=1.0 if plan.source is None else plan.source.noise_multiplier,
            extra_noise=0.0 if plan.source is None else plan.source.extra_noise,
            token_merging=plan.token_merging,
        )
        latents = yield from self._sample(batch, first)
        if source.blend is not None:
            latents = self._blended(latents, source.blend)
        if plan.hires is not None and not self._job.control.stopped:
            self._job.progress.next_batch()
            latents = yield from self._second(batch, plan.hires, latents, facts, drawing)
        return latents

    def _blended(self, latents: Tensor, blend: Blend) -> Tensor:
        """The finished latents with the picture's around them, and the masks they call for."""
        latents = blend.settle(latents)
        if self._hooks.overlay is not None:
            size = self._plan.width, self._plan.height
            self.overlay_masks = self._hooks.overlay(Sampled(blend.clean, latents, blend.paint, size))
        return latents

    def _describe(
        self, model: ModelChoice, prompts: Prompts, *, second: bool = False
    ) -> Generator[Ask, Any, ModelFacts]:
        """The model, current from now on, with the networks that the first prompt of the batch asks for.

        A1111 1.10.1 behaviour: the tags of the other prompts are taken out without effect, and the networks
        of the hires pass (`second`) are told beside those of the first.
        """
        self.last_model = model
        facts: ModelFacts = yield Describe(with_networks(model, prompts.positive[0], self._plan.networks))
        if facts.adapter_hashes and self._plan.networks.hashes:
            before = self._notes.get(notes.LORA_HASHES, "") if second else ""
            self._notes[notes.LORA_HASHES] = notes.joined(before, facts.adapter_hashes)
        return facts

    def _second(
        self, batch: Batch, hires: Hires, latents: Tensor, before: ModelFacts, drawing: torch.Generator
    ) -> Generator[Ask, Any, Tensor]:
        """The hires pass over the first pass's latents.

        `before`: the model that made them; `drawing`: what the VAE's encoder went on to draw from.
        """
        plan = self._plan
        # Decoded before the second checkpoint is described, so that each is loaded once.
        enlarger = Enlarger(plan, hires)
        yield from enlarger.look(self.last_model, latents)
        self.first_pictures = enlarger.kept
        facts = yield from self._describe(hires.model, batch.prompts(hires.prompts), second=True)
        if CHECKPOINT_LABEL in plan.report.extra:
            # The title got its hash when the checkpoint was loaded, maybe just now.
            self._notes[CHECKPOINT_LABEL] = facts.short_title
        if not enlarger.by_latents and plan.vae_methods.encode != FULL_VAE:
            self._notes["VAE Encoder"] = plan.vae_methods.encode
        source = yield from enlarger.source(PictureEncoder(plan, facts, drawing), latents)
        assert source.clean is not None
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
            cells=(source.clean.shape[2], source.clean.shape[3]),
            source=source,
            extra_noise=hires.extra_noise,
            token_merging=hires.token_merging,
            encoder=before if plan.text.first_pass_conds else None,
        )
        result = yield from self._sample(batch, second)
        return result

    def _sample(self, batch: Batch, one: Pass) -> Generator[Ask, Any, Tensor]:
        plan, rules = self._plan, one.sampler
        caller = yield from self._caller(one, one.facts, one.encoder)
        schedule = bent(one.facts.schedule, plan.schedule)
        levels = sigma_plan(rules.recipe, schedule)
        self._notes.update(notes.of_sampling(one, plan.schedule, levels.infotext))
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
            total_calls=_calls(rules, run.steps),
            control=self._job.control,
            watch=self._watcher(one.facts),
            notes=self._notes,
            told={BY_STEPS_LABEL: True} if plan.refiner_by_steps else {},
            blend=one.source.blend,
            refinement=self._refinement(one, schedule, _calls(rules, run.steps)),
            edit=one.facts.conditioning == "edit",
            hooks=self._hooks.denoised,
        )
        if plan.inversion is not None:
            self._job.progress.begin_pass(plan.inversion.steps)
            caller = yield from self._caller(backwards(plan.inversion, one), one.facts)
            run = yield from recovered(plan.inversion, guide, caller, run)
            if self._job.control.stopped and one.source.clean is not None:
                return one.source.clean
            self._job.progress.next_batch()
            self._job.progress.begin_pass(run.steps)
        latents = yield from guide.run(start(run))
        return latents

    def _caller(
        self, one: Pass, facts: ModelFacts, encoder: ModelFacts | None = None
    ) -> Generator[Ask, Any, Caller]:
        """The pass's prompts encoded by `encoder`, or the model of `facts`, ready for calls of the latter."""
        by = encoder or facts
        texts = Texts(by.model, by.vocabulary, by.embeddings, self._plan.text, one.steps)
        conditioning = yield from encode_prompts(texts, one.prompts.positive, one.prompts.negative)
        hashes = None
        if self._plan.report.embedding_hashes:
            told = self._plan.networks.bundled
            before = self._notes.get(notes.EMBEDDING_HASHES, "") if one.sampler.recipe.hires else ""
            hashes = notes.joined(by.embeddings.hashes(conditioning.embeddings, bundled=told), before)
        self._notes.update(notes.of_texts(one, texts.rules, conditioning, hashes))
        forward = ForwardRules(self._plan.tiling, one.token_merging)
        # A refiner of another kind has no channels for what the pass's own model is shown.
        extra = one.source.extra if facts.conditioning == one.facts.conditioning else None
        return Caller(facts.model, conditioning, self._plan.text, extra, forward)

    def _refinement(self, one: Pass, schedule: NoiseSchedule, total_calls: int) -> Refinement | None:
        refiner = self._plan.refiner
        second = one.sampler.recipe.hires
        if refiner is None or refiner.model.checkpoint == one.facts.model.checkpoint:
            return None
        if not (refiner.second_pass if second else refiner.first_pass):
            return None

        def make_caller() -> Generator[Ask, Any, Caller]:
            # Networks stay as they are: the refiner gets those of the pass.
            kept = one.facts.model
            facts: ModelFacts = yield Describe(
                msgspec.structs.replace(
                    refiner.model, adapters=kept.adapters, hypernetworks=kept.hypernetworks
                )
            )
            self._notes["Refiner"] = facts.short_title
            self.last_model = refiner.model
            caller = yield from self._caller(one, facts)
            return caller

        own = own_schedule(SAMPLER_BY_NAME[one.sampler.recipe.sampler], schedule)
        by_steps = total_calls if self._plan.refiner_by_steps else None
        return Refinement(refiner, own, by_steps, make_caller, self._notes)

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

    def _watcher(self, facts: ModelFacts) -> Watcher:
        plan, progress = self._plan, self._job.progress
        return Watcher(plan.preview, progress, facts, lambda: self.last_model, tiling=plan.tiling)


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
