"""What a script and an extension look like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from PIL import Image
    from starlette.routing import BaseRoute
    from torch import Tensor

    from sdapi_compat.engine.hooks import Blending, Sampled
    from sdapi_compat.engine.job import Outcome
    from sdapi_compat.plan.draft import Draft
    from sdapi_compat.plan.plan import Plan
    from sdapi_compat.plan.world import World


class NoArguments(msgspec.Struct):
    """For scripts and extensions that take none."""


class Script:
    """A selectable script. Subclass it in `scripts/<name>.py` and bind an instance to `SCRIPT`."""

    title: ClassVar[str]
    kinds: ClassVar[frozenset[str]] = frozenset({"txt2img", "img2img"})
    Arguments: ClassVar[type[msgspec.Struct]] = NoArguments

    def prepare(self, draft: Draft, arguments: Any, world: World) -> Any:
        """Before the job waits: refuse what cannot be done. What this gives is `arguments` from here on."""
        return arguments

    def run(self, draft: Draft, arguments: Any) -> Generator[Draft, Outcome, Outcome]:
        """Yield each draft to be made, receive its outcome, return the outcome of the whole.

        A draft that fails is an exception at its `yield`.
        """
        raise NotImplementedError

    def parts(self, draft: Draft, arguments: Any) -> int | list[int]:
        """How many drafts `run` will yield, for the progress bar; a list has the batches of each instead."""
        return 1


class Extension:
    """Always on. Subclass it in `extensions/<name>/extension.py` and bind an instance to `EXTENSION`."""

    title: ClassVar[str]
    kinds: ClassVar[frozenset[str]] = frozenset({"txt2img", "img2img"})
    Arguments: ClassVar[type[msgspec.Struct]] = NoArguments

    def routes(self) -> Sequence[BaseRoute]:
        """Routes to add to the server; they lie behind the same authentication as the rest."""
        return ()

    def on_draft(self, draft: Draft, arguments: Any) -> Draft:
        """Change what is asked, before anything is resolved."""
        return draft

    def on_plan(self, plan: Plan, arguments: Any) -> Plan:
        """Change what will be done."""
        return plan

    def on_denoised(self, plan: Plan, arguments: Any) -> Callable[[Tensor, float], Tensor] | None:
        """A function (denoised (B, C, h, w), sigma) -> latents, called after each guided model call."""
        return None

    def on_blend(self, plan: Plan, arguments: Any) -> Callable[[Blending], Tensor] | None:
        """Inpainting: a function that mixes new latents with the picture's at each model call."""
        return None

    def on_overlay(self, plan: Plan, arguments: Any) -> Callable[[Sampled], Sequence[Image.Image]] | None:
        """Inpainting: a function that gives a mask for each image of a batch, white where the new shows."""
        return None
