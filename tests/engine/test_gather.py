"""Which asks share a forward, which jobs are let in, and how many rows memory allows."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import pytest
import torch

from sdapi_compat.engine.asks import Decode, Predict, parts, rows
from sdapi_compat.engine.budget import REMEMBERED_SECONDS, Budget
from sdapi_compat.engine.gather import Running, gather
from sdapi_compat.engine.job import Job, State
from sdapi_compat.engine.queue import JobQueue, MergeRules


class Ask(NamedTuple):
    key: str
    model: str = "m"


def predict(count: int) -> Predict:
    x = torch.arange(count, dtype=torch.float32).reshape(-1, 1, 1, 1).expand(-1, 4, 2, 2)
    level = torch.arange(count, dtype=torch.float32)
    return Predict("m", x, level, level, torch.zeros(count, 77, 8), None, noise=False)  # type: ignore[arg-type]


def running(*asks: Any, since: float = 100.0) -> list[Running]:
    return [Running(None, None, ask, since) for ask in asks]  # type: ignore[arg-type]


def job(name: str, model: str = "m", pictures: int = 1, priority: int = 0) -> Job:
    return Job(name, "txt2img", None, model, pictures, priority)  # type: ignore[arg-type]


def taken(queue: JobQueue, jobs: list[Job], rules: MergeRules) -> str | None:
    found = queue.take(jobs, rules)
    return None if found is None else found.id


def test_asks_of_the_longest_waiting_key_are_gathered() -> None:
    waiting = running(Ask("a"), Ask("b"), Ask("a"))
    assert gather(waiting, "m", Budget(8), overdue=0.0) == [waiting[0], waiting[2]]
    assert gather([], "m", Budget(8), overdue=0.0) == []


def test_the_loaded_model_goes_first_until_another_ask_is_overdue() -> None:
    waiting = running(Ask("a", "other"), Ask("b"), Ask("b"))
    assert gather(waiting, "m", Budget(8), overdue=99.0) == waiting[1:]
    assert gather(waiting, "m", Budget(8), overdue=100.0) == waiting[:1]
    assert gather(waiting, "unknown", Budget(8), overdue=99.0) == waiting[:1]


def test_a_step_waits_for_what_is_not_one() -> None:
    """A job that begins joins the next step, and one that ends waits for no step with its last latents."""
    decode = Decode("m", torch.zeros(1, 4, 2, 2), False, None)  # type: ignore[arg-type]
    waiting = running(predict(2), Ask("text"), predict(2), decode, Ask("text"))
    assert gather(waiting, "m", Budget(8), overdue=0.0) == [waiting[1], waiting[4]]
    assert gather([waiting[0], *waiting[2:4]], "m", Budget(8), overdue=0.0) == [waiting[3]]
    assert gather(waiting, "m", Budget(8), overdue=100.0) == [waiting[0], waiting[2]], "but not for long"


def test_what_is_no_step_waits_for_its_model() -> None:
    waiting = running(Ask("describe", "other"), predict(2), predict(2))
    assert gather(waiting, "m", Budget(8), overdue=0.0) == waiting[1:]


def test_a_forward_has_no_more_rows_than_the_budget_allows() -> None:
    waiting = running(predict(2), predict(4), predict(2))
    chosen = gather(waiting, None, Budget(5), overdue=0.0)
    assert [rows(one.ask) for one in chosen] == [2, 2]
    assert len(gather(waiting, None, Budget(8), overdue=0.0)) == 3
    assert gather(waiting[1:2], None, Budget(1), overdue=0.0) == waiting[1:2], "an ask is never left out"


def test_parts_have_at_most_the_limit_and_together_all_rows() -> None:
    whole = predict(5)
    pieces = parts(whole, 2)
    assert [rows(piece) for piece in pieces] == [2, 2, 1]
    assert all(isinstance(piece, Predict) for piece in pieces)
    assert torch.equal(torch.cat([piece.x for piece in pieces]), whole.x)  # type: ignore[union-attr]
    assert torch.equal(torch.cat([piece.sigma for piece in pieces]), whole.sigma)  # type: ignore[union-attr]
    latents = Decode("m", torch.zeros(3, 4, 8, 8), False, None)  # type: ignore[arg-type]
    assert [rows(piece) for piece in parts(latents, 1)] == [1, 1, 1]


def test_a_budget_follows_what_forwards_took_and_what_is_free() -> None:
    free = 1000
    budget = Budget(16, lambda: free)
    assert budget.rows("k") == 16
    budget.took("k", 4, 400)
    assert budget.rows("k") == 8, "100 bytes a row, 80 % of 1000"
    free = 150
    assert budget.rows("k") == 1
    free = 10
    assert budget.rows("k") == 1, "one row is always tried"
    assert budget.rows("other") == 16


def test_a_budget_forgets_a_failure_after_a_while() -> None:
    now = 0.0
    budget = Budget(16, clock=lambda: now)
    budget.failed("k", 12)
    assert budget.rows("k") == 6
    budget.failed("k", 1)
    assert budget.rows("k") == 1
    now = REMEMBERED_SECONDS + 1
    assert budget.rows("k") == 16


def test_priority_goes_first_then_who_came_first() -> None:
    queue = JobQueue(10)
    for one in (job("a"), job("b", priority=5), job("c"), job("d", priority=5)):
        queue.put(one)
    alone = MergeRules(1)
    order = []
    while (found := queue.take([], alone)) is not None:
        order.append(found.id)
    assert order == ["b", "d", "a", "c"]


def test_a_job_of_another_model_is_overtaken_only_for_a_while() -> None:
    queue, running_jobs = JobQueue(10), [job("r")]
    other = job("other", "n")
    queue.put(other)
    queue.put(job("same"))
    queue.put(job("late"))
    assert taken(queue, running_jobs, MergeRules(8, patience=60.0)) == "same"
    other.submitted = time.monotonic() - 61
    assert taken(queue, running_jobs, MergeRules(8, patience=60.0)) is None
    assert taken(queue, [], MergeRules(8, patience=60.0)) == "other"


@pytest.mark.parametrize(("pictures", "expected"), [(2, "big"), (3, None)])
def test_a_job_that_does_not_fit_holds_its_place(pictures: int, expected: str | None) -> None:
    queue, running_jobs = JobQueue(10), [job("r", pictures=2)]
    queue.put(job("big", pictures=pictures))
    queue.put(job("small"))
    assert taken(queue, running_jobs, MergeRules(4)) == expected


def test_a_job_larger_than_the_limit_runs_alone() -> None:
    queue = JobQueue(10)
    queue.put(job("huge", pictures=100))
    assert taken(queue, [], MergeRules(4)) == "huge"


def test_a_job_put_back_is_the_next_and_begins_anew() -> None:
    queue = JobQueue(10)
    one, two = job("one"), job("two")
    queue.put(one)
    queue.put(two)
    assert queue.take([], MergeRules()) is one
    one.progress.sampling_step = 7
    queue.put_back(one)
    assert one.state is State.QUEUED
    assert queue.take([], MergeRules()) is one
    assert one.state is State.RUNNING
    assert one.progress.sampling_step == 0


def test_models_take_turns_however_long_their_jobs_have_waited() -> None:
    queue = JobQueue(10)
    for one in (job("a1"), job("b1", "n"), job("a2"), job("b2", "n"), job("a3")):
        one.submitted -= 1000
        queue.put(one)
    rules = MergeRules(8, patience=60.0)
    running: list[Job] = []
    while (found := queue.take(running, rules)) is not None:
        running.append(found)
    assert [one.id for one in running] == ["a1", "a2", "a3"]
    running = []
    while (found := queue.take(running, rules)) is not None:
        running.append(found)
    assert [one.id for one in running] == ["b1", "b2"]
