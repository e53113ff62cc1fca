"""What a script and an extension look like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from starlette.routing import BaseRoute
    from torch import Tensor

    from sdapi_compat.engine.job import Outcome
    from sdapi_compat.plan.draft import Draft
    from sdapi_compat.plan.plan import Plan


class NoArguments(msgspec.Struct):
    """For scripts and extensions that take none."""


class Script:
    """A selectable script. Subclass it in `scripts/<name>.py` and bind an instance to `SCRIPT`."""

    title: ClassVar[str]
    kinds: ClassVar[frozenset[str]] = frozenset({"txt2img", "img2img"})
    Arguments: ClassVar[type[msgspec.Struct]] = NoArguments

    def run(self, draft: Draft, arguments: Any) -> Generator[Draft, Outcome, Outcome]:
        """Yield each draft to be made, receive its outcome, return the outcome of the whole."""
        raise NotImplementedError

    def parts(self, draft: Draft, arguments: Any) -> int:
        """How many drafts `run` will yield, for the progress bar."""
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
