"""Between a sampler and the model: guidance, masks, hooks, previews, interruption.

A sampler asks for denoised latents. The guide asks the engine for model outputs and combines them. It knows
one pass over one batch of one job, and nothing of models or HTTP.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from sdapi_compat.engine.hooks import Blending
from sdapi_compat.engine.outputs import Level
from sdapi_compat.sampling import guidance
from sdapi_compat.sampling.ask import NoisePrediction, PredictNoise

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from torch import Tensor

    from sdapi_compat.engine.asks import Ask
    from sdapi_compat.engine.hooks import BlendHook, DenoisedHook
    from sdapi_compat.engine.job import Control
    from sdapi_compat.engine.outputs import Caller, Outputs
    from sdapi_compat.engine.refiner import Refinement
    from sdapi_compat.plan.plan import GuidanceRules
    from sdapi_compat.sampling.ask import Denoise
    from sdapi_compat.sampling.noise_schedule import NoiseSchedule


class Blend(NamedTuple):
    """Inpainting: clean latents (B, C, h, w), and 1 where new content goes, (h, w).

    `mix`: an extension's own way to mix the two.
    """

    clean: Tensor
    paint: Tensor
    mix: BlendHook | None = None

    def apply(self, latents: Tensor, level: float) -> Tensor:
        """`latents` where to paint, the clean ones elsewhere; `level` is the noise they are about."""
        if self.mix is not None:
            return self.mix(Blending(self.clean, latents, self.paint, level))
        return self._plain(latents)

    def settle(self, latents: Tensor) -> Tensor:
        """The mix after the last step, which `mix` does without."""
        return latents if self.mix is not None else self._plain(latents)

    def _plain(self, latents: Tensor) -> Tensor:
        return latents * self.paint + self.clean * (1 - self.paint)


@dataclass
class Guide:
    """One pass over one batch.

    `total_calls`: the nominal number of model calls. `hooks` see every guided result. `watch` is told the
    step and the conditional, unconditional and guided denoised latents. `notes`: infotext pairs of the way;
    `told`: those that the first call adds.
    """

    schedule: NoiseSchedule
    caller: Caller
    rules: GuidanceRules
    cfg_multiplier: float
    total_calls: int
    control: Control
    watch: Callable[[int, Tensor, Tensor, Tensor], Generator[Ask, Any, None]]
    notes: dict[str, Any]
    told: Mapping[str, Any] = field(default_factory=dict)
    blend: Blend | None = None
    refinement: Refinement | None = None
    edit: bool = False
    hooks: Sequence[DenoisedHook] = ()
    call: int = 0
    last: Tensor | None = None

    def run(self, sampler: Generator[Any, Any, Tensor]) -> Generator[Ask, Tensor, Tensor]:
        """Drive `sampler` to its end, or to the last prediction when the job is stopped.

        A1111 1.10.1 behaviour: a stopped pass gives the last conditional-only prediction; how prompts were
        padded is told at the end.
        """
        finished = yield from self._run(sampler)
        self.notes.update(self.caller.notes)
        return finished

    def _run(self, sampler: Generator[Any, Any, Tensor]) -> Generator[Ask, Tensor, Tensor]:
        try:
            ask = next(sampler)
            while True:
                if self.control.stopped:
                    sampler.close()
                    return ask.x if self.last is None else self.last
                answer = yield from self._answer(ask)
                self.call += 1
                ask = sampler.send(answer)
        except StopIteration as stop:
            finished: Tensor = stop.value
            return finished

    def _answer(self, ask: Denoise | PredictNoise) -> Generator[Ask, Tensor, Tensor | NoisePrediction]:
        if isinstance(ask, PredictNoise):
            prediction = yield from self._predict_noise(ask)
            return prediction
        denoised = yield from self._denoise(ask)
        return denoised

    def _denoise(self, ask: Denoise) -> Generator[Ask, Tensor, Tensor]:
        timestep = self.schedule.sigma_to_t(ask.sigma) if ask.timestep is None else ask.timestep
        outputs = yield from self._outputs(Level(ask.x, ask.sigma, timestep, noise=False), ask.sigma)
        result = outputs.combine(self.rules.cfg_scale * self.cfg_multiplier)
        if self.blend is not None:
            result = self.blend.apply(result, ask.sigma)
        result = self._hooked(result, ask.sigma)
        yield from self._remember(ask.step, outputs.first, outputs.uncond, result)
        return result

    def _predict_noise(self, ask: PredictNoise) -> Generator[Ask, Tensor, NoisePrediction]:
        # These samplers blend what goes into the model, with clean latents, not what comes out of it.
        x = ask.x if self.blend is None else self.blend.apply(ask.x, ask.timestep)
        abar = self.schedule.alpha_bar(int(ask.timestep))
        root, sigma = math.sqrt(abar), math.sqrt((1 - abar) / abar)
        outputs = yield from self._outputs(Level(x, sigma, ask.timestep, noise=True), ask.timestep)
        eps = outputs.combine(self.rules.cfg_scale * self.cfg_multiplier)
        first, without, clean = (x / root - sigma * noise for noise in (outputs.first, outputs.uncond, eps))
        if self.hooks:
            clean = self._hooked(clean, sigma)
            eps = (x / root - clean) / sigma
        yield from self._remember(ask.step, first, without, clean)
        return NoisePrediction(eps, outputs.uncond)

    def _outputs(self, level: Level, measure: float) -> Generator[Ask, Tensor, Outputs]:
        self.notes.update(self.told)
        if self.refinement is not None and self.refinement.due(level, self.call):
            self.caller = yield from self.refinement.switch()
        image_scale = self.rules.image_cfg_scale
        if self.edit and image_scale not in (None, 1.0):
            edited = yield from self.caller.edit(level, self.call, float(image_scale or 0))
            return edited
        reasons = guidance.skip_uncond(self.rules, self.call, self.total_calls, measure)
        self.notes.update(reasons)
        parts = yield from self.caller.parts(level, self.call, uncond=not reasons)
        return parts

    def _hooked(self, latents: Tensor, sigma: float) -> Tensor:
        for hook in self.hooks:
            latents = hook(latents, sigma)
        return latents

    def _remember(
        self, step: int, first: Tensor, uncond: Tensor, result: Tensor
    ) -> Generator[Ask, Any, None]:
        self.last = first
        yield from self.watch(step, first, uncond, result)
