"""Which of the asks that wait are answered next, by one forward: those of one key, fairly between keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sdapi_compat.engine.asks import Predict, rows

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from sdapi_compat.engine.asks import Ask
    from sdapi_compat.engine.budget import Budget
    from sdapi_compat.engine.job import Job, Outcome
    from sdapi_compat.plan.plan import ModelChoice


class Running(NamedTuple):
    """A job that has been begun, its body, what the body waits for, and since when (monotonic seconds)."""

    job: Job
    body: Generator[Ask, Any, Outcome]
    ask: Ask
    since: float


def gather(
    running: Sequence[Running], loaded: ModelChoice | None, budget: Budget, overdue: float
) -> list[Running]:
    """Asks of one key whose rows fit one forward; `running` is in order of waiting.

    Asks of the model that is loaded come first, so that models are switched seldom; and of these whatever is
    no step of sampling, so that jobs that begin join the next step of the others, and none waits for it with
    its last latents. But the ask that has waited longest is the first if it has since before `overdue`.
    """
    if not running:
        return []
    leader = running[0]
    if leader.since > overdue:
        ours = [one for one in running if one.ask.model == loaded] or [leader]
        leader = next((one for one in ours if not isinstance(one.ask, Predict)), ours[0])
    key = leader.ask.key
    chosen, room = [leader], budget.rows(key) - rows(leader.ask)
    for one in running:
        if one is not leader and one.ask.key == key and rows(one.ask) <= room:
            chosen.append(one)
            room -= rows(one.ask)
    return chosen
