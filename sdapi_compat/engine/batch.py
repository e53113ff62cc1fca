"""What is sampled at once: the images of a batch, and one pass over them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sdapi_compat.plan.plan import Prompts

if TYPE_CHECKING:
    from sdapi_compat.engine.facts import ModelFacts
    from sdapi_compat.engine.pictures import Prepared
    from sdapi_compat.plan.plan import Plan, SamplerRules
    from sdapi_compat.prompt.schedules import ScheduleSteps


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
    """One run of a sampler: with which model, prompts and rules, from which latents (None: from noise).

    `encoder`: the model that encodes the prompts, where that is another.
    """

    facts: ModelFacts
    prompts: Prompts
    sampler: SamplerRules
    steps: ScheduleSteps
    cells: tuple[int, int]
    source: Prepared
    noise_multiplier: float = 1.0
    extra_noise: float = 0.0
    token_merging: float = 0.0
    encoder: ModelFacts | None = None
