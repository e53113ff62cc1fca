"""What jobs do: one plan, or a script that makes several. Torch is imported only when the work starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from torch import Tensor

    from sdapi_compat.engine.asks import Ask
    from sdapi_compat.engine.job import Job, Outcome
    from sdapi_compat.plan.draft import Draft
    from sdapi_compat.plan.plan import Plan

    DenoisedHook = Callable[[Tensor, float], Tensor]
    HooksFor = Callable[[Plan], Sequence[DenoisedHook]]


class Scripted(Protocol):
    """A selectable script, as the engine sees it."""

    def run(self, draft: Draft, arguments: Any) -> Generator[Draft, Outcome, Outcome]:
        """Yields drafts, receives outcomes, returns the outcome of the whole."""
        ...

    def parts(self, draft: Draft, arguments: Any) -> int:
        """How many drafts `run` will yield."""
        ...


@dataclass(frozen=True)
class PlanWork:
    """Make the pictures of one plan."""

    plan: Plan
    hooks: HooksFor

    def start(self, job: Job) -> Generator[Ask, Any, Outcome]:
        """The plan's body."""
        from sdapi_compat.engine.generation import generate

        return generate(self.plan, job, self.hooks(self.plan))


@dataclass(frozen=True)
class ScriptWork:
    """Make what a script asks for, draft by draft. `build` plans a draft under the request's options."""

    script: Scripted
    arguments: Any
    draft: Draft
    build: Callable[[Draft], Plan]
    hooks: HooksFor

    def start(self, job: Job) -> Generator[Ask, Any, Outcome]:
        """The script's body: every plan's body in turn."""
        from sdapi_compat.engine.generation import generate

        script = self.script.run(self.draft, self.arguments)
        outcome: Outcome | None = None
        while True:
            try:
                draft = next(script) if outcome is None else script.send(outcome)
            except StopIteration as stop:
                finished: Outcome = stop.value
                return finished
            job.progress.expect(self.script.parts(self.draft, self.arguments) * draft.n_iter)
            plan = self.build(draft)
            outcome = yield from generate(plan, job, self.hooks(plan))
