"""Failures of the device: other jobs go on, memory is asked for in smaller pieces, nobody is forgotten."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from typing import Any

import pytest
import torch

from sdapi_compat.engine.asks import Predict, rows
from sdapi_compat.engine.budget import Budget
from sdapi_compat.engine.engine import Engine
from sdapi_compat.engine.job import Job, Outcome, State
from sdapi_compat.engine.queue import MergeRules
from sdapi_compat.engine.recovery import answers
from sdapi_compat.errors import Fault


class Device:
    """Doubles x. Has room for `room` rows; `before` is called with each batch and may raise."""

    loaded = None
    peak = 0

    def __init__(self, room: int = 100) -> None:
        self.room = room
        self.batches: list[int] = []
        self.freed = 0
        self.before: Any = lambda asks: None

    def answer(self, asks: Any) -> list[Any]:
        self.before(asks)
        total = sum(map(rows, asks))
        self.batches.append(total)
        if total > self.room:
            raise torch.OutOfMemoryError("Tried to allocate 2.00 GiB")
        return [ask.x * 2 for ask in asks]

    def free(self) -> None:
        self.freed += 1

    def out_of_memory(self, error: Exception) -> str | None:
        return str(error) if isinstance(error, torch.OutOfMemoryError) else None

    def headroom(self) -> int | None:
        return None

    def text_width(self) -> int | None:
        return None


def ask(count: int, start: float = 0.0) -> Predict:
    x = (torch.arange(count) + start).reshape(-1, 1, 1, 1).float()
    level = torch.ones(count)
    return Predict("m", x, level, level, torch.zeros(count, 77, 8), None, noise=False)  # type: ignore[arg-type]


class Doubling:
    """Work that doubles its number `steps` times."""

    def __init__(self, start: float, steps: int = 3, count: int = 1) -> None:
        self.begin, self.steps, self.count = start, steps, count

    def start(self, job: Job) -> Any:
        x = torch.full((self.count, 1, 1, 1), self.begin)
        for _ in range(self.steps):
            x = yield ask(self.count)._replace(x=x)
        return Outcome([], [], {"value": float(x[0])})


def job(work: Any, name: str = "job") -> Job:
    return Job(name, "txt2img", work)


def test_a_batch_that_does_not_fit_is_answered_in_pieces() -> None:
    device, budget = Device(room=2), Budget(16)
    asks = [ask(3), ask(1, 10.0)]
    first, second = answers(device, asks, budget)
    assert torch.equal(first, asks[0].x * 2)
    assert torch.equal(second, asks[1].x * 2)
    assert device.batches[0] == 4
    assert max(device.batches[2:]) <= 3
    assert budget.rows(asks[0].key) <= 2, "the next forward is smaller from the start"


def test_a_row_that_does_not_fit_is_507_and_says_what_was_needed() -> None:
    device, budget = Device(room=0), Budget(16)
    [error] = answers(device, [ask(2)], budget)
    assert isinstance(error, Fault)
    assert error.status == 507
    assert "2.00 GiB" in str(error.body())
    assert device.freed > 0


def test_an_error_that_is_no_shortage_belongs_to_the_ask_that_caused_it() -> None:
    device = Device()

    def poisoned(asks: Any) -> None:
        if any(float(one.x[0]) == 7.0 for one in asks):
            raise ValueError("seven")

    device.before = poisoned
    good, bad = answers(device, [ask(1, 1.0), ask(1, 7.0)], Budget(16))
    assert float(good) == 2.0
    assert isinstance(bad, ValueError)


@pytest.mark.parametrize("step", range(6))
def test_one_shortage_at_any_step_changes_no_result(step: int) -> None:
    device, calls = Device(), iter(range(10**6))

    def once(asks: Any) -> None:
        if next(calls) == step:
            raise torch.OutOfMemoryError("now")

    device.before = once
    engine = Engine(lambda: device, limit=10, rules=MergeRules(8))
    jobs = [job(Doubling(float(start), count=2)) for start in (1, 2, 3)]
    for one in jobs:
        engine.submit(one)
    engine.start()
    assert [one.reply.result(timeout=10).info["value"] for one in jobs] == [8.0, 16.0, 24.0]
    engine.stop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_thread_is_replaced_and_its_jobs_are_begun_again_once() -> None:
    lives = iter(range(10**6))

    def deadly(asks: Any) -> None:
        if next(lives) == 1:
            raise SystemExit

    device = Device()
    device.before = deadly
    engine = Engine(lambda: device, limit=10, rules=MergeRules(8))
    one, two = job(Doubling(1.0), "one"), job(Doubling(2.0), "two")
    engine.submit(one)
    engine.submit(two)
    engine.start()
    assert [each.reply.result(timeout=10).info["value"] for each in (one, two)] == [8.0, 16.0]
    assert one.retries + two.retries >= 1
    assert not engine.queue.running()
    engine.stop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_job_that_kills_the_thread_each_time_fails_and_the_engine_goes_on() -> None:
    device = Device()

    def deadly(asks: Any) -> None:
        if float(asks[0].x[0]) == 7.0:
            raise SystemExit

    device.before = deadly
    engine = Engine(lambda: device, limit=10)
    bad, good = job(Doubling(7.0)), job(Doubling(1.0))
    engine.submit(bad)
    engine.submit(good)
    engine.start()
    with pytest.raises(Fault, match="died twice"):
        bad.reply.result(timeout=10)
    assert good.reply.result(timeout=10).info["value"] == 8.0
    engine.stop()


def test_the_watchdog_fails_what_makes_no_step_and_the_next_job_runs() -> None:
    stuck, devices = threading.Event(), []

    def make() -> Device:
        device = Device()
        if not devices:
            device.before = lambda asks: stuck.wait(20)
        devices.append(device)
        return device

    engine = Engine(make, limit=10, stuck_after=0.3)
    bad = job(Doubling(1.0))
    engine.submit(bad)
    engine.start()
    with pytest.raises(Fault, match="No step was made") as caught:
        bad.reply.result(timeout=10)
    assert caught.value.status == 504
    good = job(Doubling(2.0))
    engine.submit(good)
    assert good.reply.result(timeout=10).info["value"] == 16.0
    stuck.set()
    time.sleep(0.1)
    assert bad.state is State.FAILED
    assert len(devices) == 2
    engine.stop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_calls_are_served_after_the_thread_was_replaced() -> None:
    device = Device()
    first = iter([True])

    def deadly(asks: Any) -> None:
        if next(first, False):
            raise SystemExit

    device.before = deadly
    engine = Engine(lambda: device, limit=10)
    one = job(Doubling(1.0))
    engine.submit(one)
    engine.start()
    one.reply.result(timeout=10)
    done: Future[bool] = engine.call(lambda given: given is device)
    assert done.result(timeout=5)
    engine.stop()
