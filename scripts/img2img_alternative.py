"""img2img alternative test: the noise a picture comes from is recovered and drawn with another prompt."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from sdapi_compat.scripting import Draft, Inversion, Outcome, Script, World, argument, refused

if TYPE_CHECKING:
    from collections.abc import Generator

Number = int | float
MOST_STEPS = 10_000
STEPS_PLACE, CFG_PLACE, RANDOMNESS_PLACE = 6, 8, 9


class AlternativeArguments(msgspec.Struct):
    """As in A1111 1.10.1, in this order; the first is a text for its page."""

    info: Annotated[Any, argument("")] = "* `CFG Scale` should be 2 or lower."
    override_sampler: Annotated[
        bool, argument("Override `Sampling method` to Euler?(this method is built for it)")
    ] = True
    override_prompt: Annotated[
        bool, argument("Override `prompt` to the same value as `original prompt`?(and `negative prompt`)")
    ] = True
    original_prompt: Annotated[str, argument("Original prompt")] = ""
    original_negative_prompt: Annotated[str, argument("Original negative prompt")] = ""
    override_steps: Annotated[
        bool, argument("Override `Sampling Steps` to the same value as `Decode steps`?")
    ] = True
    steps: Annotated[int, argument("Decode steps", minimum=1, maximum=150, step=1)] = 50
    override_strength: Annotated[bool, argument("Override `Denoising strength` to 1?")] = True
    cfg_scale: Annotated[Number, argument("Decode CFG scale", minimum=0.0, maximum=15.0, step=0.1)] = 1.0
    randomness: Annotated[Number, argument("Randomness", minimum=0.0, maximum=1.0, step=0.01)] = 0.0
    sigma_adjustment: Annotated[bool, argument("Sigma adjustment for finding noise for image")] = False

    def infotext(self) -> dict[str, Any]:
        """The pairs of the infotext, in the original's order."""
        return {
            "Decode prompt": self.original_prompt,
            "Decode negative prompt": self.original_negative_prompt,
            "Decode CFG scale": self.cfg_scale,
            "Decode steps": self.steps,
            "Randomness": self.randomness,
            "Sigma Adjustment": self.sigma_adjustment,
        }

    def overrides(self) -> dict[str, Any]:
        """What of the request gives way."""
        changes: dict[str, Any] = {}
        if self.override_sampler:
            changes["sampler"] = "Euler"
        if self.override_prompt:
            changes["prompt"] = self.original_prompt
            changes["negative_prompt"] = self.original_negative_prompt
        if self.override_steps:
            changes["steps"] = self.steps
        if self.override_strength:
            changes["denoising_strength"] = 1.0
        return changes


class Img2ImgAlternative(Script):
    """img2img from recovered noise in place of random noise."""

    title = "img2img alternative test"
    kinds = frozenset({"img2img"})
    Arguments = AlternativeArguments

    def prepare(self, draft: Draft, arguments: AlternativeArguments, world: World) -> AlternativeArguments:
        """Raises InvalidRequest for numbers nothing can be made of."""
        if not 1 <= arguments.steps <= MOST_STEPS:
            raise refused(f"ensure there are 1 to {MOST_STEPS} decode steps", STEPS_PLACE)
        for place, value in ((CFG_PLACE, arguments.cfg_scale), (RANDOMNESS_PLACE, arguments.randomness)):
            if not math.isfinite(value):
                raise refused("ensure this value is a finite number", place)
        return arguments

    def run(self, draft: Draft, arguments: AlternativeArguments) -> Generator[Draft, Outcome, Outcome]:
        """One part, whose outcome is that of the whole."""
        inversion = Inversion(
            prompt=arguments.original_prompt,
            negative_prompt=arguments.original_negative_prompt,
            cfg_scale=arguments.cfg_scale,
            steps=arguments.steps,
            randomness=arguments.randomness,
            sigma_adjustment=arguments.sigma_adjustment,
        )
        outcome = yield draft.change(
            inversion=inversion, extra=draft.extra | arguments.infotext(), **arguments.overrides()
        )
        return outcome


SCRIPT = Img2ImgAlternative()
