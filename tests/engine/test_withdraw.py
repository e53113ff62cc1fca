"""Cancelling one job: before it runs, while it runs, and too late."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import pytest

from sdapi_compat.engine.engine import Engine
from sdapi_compat.engine.job import Job, Outcome, State, Withdrawn
from sdapi_compat.engine.queue import MergeRules


class Step(NamedTuple):
    """The toy ask: nothing but a name of who asks."""

    who: str
    model: str = "m"

    @property
    def key(self) -> str:
        return "a"


class Device:
    """Answers a step when `go` is released; `asked` are the batches so far."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.go = threading.Semaphore(0)
        self.busy = threading.Semaphore(0)
        self.loaded: Any = None
        self.peak = 0

    def answer(self, asks: Any) -> list[Any]:
        self.asked.append([ask.who for ask in asks])
        self.busy.release()
        assert self.go.acquire(timeout=10)
        return [None for _ in asks]

    def free(self) -> None:
        return None

    def out_of_memory(self, error: Exception) -> str | None:
        return None

    def headroom(self) -> int | None:
        return None

    def text_width(self) -> int | None:
        return None


class Steps:
    """Work of a few steps that looks at no flag. `closed`: the body was ended from outside."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.closed = False

    def start(self, job: Job) -> Any:
        try:
            for _ in range(self.count):
                yield Step(job.id)
        except GeneratorExit:
            self.closed = True
            raise RuntimeError("a body that misbehaves at its end") from None
        return Outcome([], [], {})


@pytest.fixture
def running() -> Any:
    """An engine for two pictures at a time and its device."""
    device = Device()
    engine = Engine(lambda: device, limit=10, rules=MergeRules(2))
    engine.start()
    yield engine, device
    for _ in range(100):
        device.go.release()
    engine.stop()


def job(name: str, steps: int) -> Job:
    return Job(name, "txt2img", Steps(steps))


def test_a_running_job_ends_before_its_next_step_and_others_go_on(running: Any) -> None:
    engine, device = running
    one, other = job("one", 3), job("other", 2)
    for each in (one, other):
        engine.submit(each)
    assert device.busy.acquire(timeout=5)
    engine.withdraw(one)
    for _ in range(4):
        device.go.release()
    other.reply.result(timeout=5)
    with pytest.raises(Withdrawn):
        one.reply.result(timeout=5)
    assert (one.state, other.state) == (State.CANCELLED, State.FINISHED)
    assert sum(batch.count("one") for batch in device.asked) <= 1
    assert one.work.closed
    assert engine.queue.running() == []


def test_a_waiting_job_leaves_the_queue_at_once(running: Any) -> None:
    engine, device = running
    jobs = [job(name, 1) for name in ("a", "b", "c", "d")]
    for each in jobs:
        engine.submit(each)
    assert device.busy.acquire(timeout=5)
    waiting = engine.queue.waiting()
    gone = waiting[0]
    engine.withdraw(gone)
    assert gone.reply.done()
    assert (gone.state, gone.began.done()) == (State.CANCELLED, False)
    assert engine.queue.waiting() == waiting[1:]
    assert engine.queue.remove(gone) is False
    for _ in range(10):
        device.go.release()
    for each in jobs:
        if each is not gone:
            each.reply.result(timeout=5)
    assert gone.id not in {who for batch in device.asked for who in batch}


def test_a_job_withdrawn_at_its_last_step_gives_no_result(running: Any) -> None:
    engine, device = running
    one = job("one", 1)
    engine.submit(one)
    assert device.busy.acquire(timeout=5)
    engine.withdraw(one)
    device.go.release()
    assert isinstance(one.reply.exception(timeout=5), Withdrawn)


def test_a_job_that_has_ended_stays_as_it_is(running: Any) -> None:
    engine, device = running
    one = job("one", 1)
    engine.submit(one)
    device.go.release()
    one.reply.result(timeout=5)
    engine.withdraw(one)
    assert one.state is State.FINISHED


def test_an_outcome_is_nothing_to_whoever_has_withdrawn() -> None:
    one = job("one", 1)
    assert one.begin()
    one.control.withdrawn = True
    one.finish(Outcome([], [], {}))
    assert isinstance(one.reply.exception(), Withdrawn)
    assert (one.state, one.reply.exception().status) == (State.CANCELLED, 409)  # type: ignore[union-attr]
