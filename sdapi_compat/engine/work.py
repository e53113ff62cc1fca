"""What jobs do: one plan, or a script that makes several. Torch is imported only when the work starts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from sdapi_compat.engine.asks import Describe
from sdapi_compat.engine.job import Outcome
from sdapi_compat.engine.networks import with_networks

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from sdapi_compat.engine.asks import Ask
    from sdapi_compat.engine.hooks import Hooks
    from sdapi_compat.engine.job import Job
    from sdapi_compat.plan.draft import Draft
    from sdapi_compat.plan.plan import ModelChoice, Plan

    HooksFor = Callable[[Plan], Hooks]


class Scripted(Protocol):
    """A selectable script, as the engine sees it."""

    def run(self, draft: Draft, arguments: Any) -> Generator[Draft, Outcome, Outcome]:
        """Yields drafts, receives outcomes, returns the outcome of the whole."""
        ...

    def parts(self, draft: Draft, arguments: Any) -> int | list[int]:
        """How many drafts `run` will yield, or the batches of each."""
        ...


@dataclass(frozen=True)
class PlanWork:
    """Make the pictures of one plan."""

    plan: Plan
    hooks: HooksFor

    @property
    def model(self) -> ModelChoice:
        """What the first batch begins with: the checkpoint and the networks of the first prompt."""
        return with_networks(self.plan.model, self.plan.prompts.positive[0], self.plan.networks)

    def start(self, job: Job) -> Generator[Ask, Any, Outcome]:
        """The plan's body."""
        from sdapi_compat.engine.generation import generate

        return generate(self.plan, job, self.hooks(self.plan))


@dataclass(frozen=True)
class ScriptWork:
    """Make what a script asks for, draft by draft. `build` plans a draft under the draft's options.

    `model` is what it probably begins with; the script may ask for another.
    """

    model: ModelChoice
    script: Scripted
    arguments: Any
    draft: Draft
    build: Callable[[Draft], Plan]
    hooks: HooksFor

    def start(self, job: Job) -> Generator[Ask, Any, Outcome]:
        """The script's body: every draft's body in turn, each outcome or error handed back to the script."""
        script = self.script.run(self.draft, self.arguments)
        go_on: Callable[[], Draft] = partial(next, script)
        last: Outcome | None = None
        while True:
            try:
                draft = go_on()
            except StopIteration as stop:
                finished: Outcome = stop.value
                yield from self._save(finished, job)
                return finished
            try:
                last = yield from self._make(draft, job, last)
            except Exception as error:  # noqa: BLE001 - the script's; what it does not take ends the job
                go_on = partial(script.throw, error)
            else:
                go_on = partial(script.send, last)

    def _make(self, draft: Draft, job: Job, last: Outcome | None) -> Generator[Ask, Any, Outcome]:
        from sdapi_compat.engine.generation import generate

        if last is not None and job.control.interrupted:
            return Outcome([], last.infotexts[:1], last.info)
        plan = self.build(draft)
        if job.progress.job_count < 0:
            parts = self.script.parts(self.draft, self.arguments)
            batches = sum(parts) if isinstance(parts, list) else parts * plan.n_iter
            job.progress.expect(batches * plan.passes)
        if draft.title is not None:
            job.progress.job = draft.title
        outcome = yield from generate(plan, job, self.hooks(plan))
        return outcome

    def _save(self, finished: Outcome, job: Job) -> Generator[Ask, Any, None]:
        """Write what the script put together, by the rules for the pictures of a plan."""
        from sdapi_compat.engine.finishing import Writer

        for keep in finished.keep if self.draft.save_images else ():
            plan = self.build(keep.draft)
            facts = yield Describe(plan.model)
            writer = Writer(plan, facts, job.progress.timestamp)
            if keep.grid is not None and plan.save.grid:
                writer.grid(keep.picture, keep.grid)
            elif keep.grid is None and plan.save.samples:
                writer.sample(keep.picture, 0)
