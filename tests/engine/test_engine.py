"""The engine's loop against a device that adds one: order, merging, cancelling, failures, draining."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from typing import Any, NamedTuple

import pytest

from sdapi_compat.engine.engine import Engine
from sdapi_compat.engine.job import Job, Outcome, State
from sdapi_compat.engine.queue import MergeRules
from sdapi_compat.errors import ApiError, Fault


class Increment(NamedTuple):
    """The toy ask: one more than `value`; asks of one `group` can share a forward."""

    value: int
    group: str
    model: str = "m"

    @property
    def key(self) -> str:
        return self.group


class Device:
    """Records the batches it is given. Fails on values in `poison`."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.poison: set[int] = set()
        self.freed = 0
        self.loaded: Any = None
        self.peak = 0

    def answer(self, asks: Any) -> list[Any]:
        self.batches.append([ask.value for ask in asks])
        if self.poison & set(self.batches[-1]):
            raise MemoryError("no room")
        return [ask.value + 1 for ask in asks]

    def free(self) -> None:
        self.freed += 1

    def out_of_memory(self, error: Exception) -> str | None:
        return str(error) if isinstance(error, MemoryError) else None

    def headroom(self) -> int | None:
        return None

    def text_width(self) -> int | None:
        return None


class Count:
    """Work that counts from `start` by `steps` asks; stops early when interrupted."""

    def __init__(self, start: int, steps: int, group: str = "a") -> None:
        self.begin, self.steps, self.group = start, steps, group

    def start(self, job: Job) -> Any:
        value = self.begin
        for _ in range(self.steps):
            if job.control.stopped:
                break
            value = yield Increment(value, self.group)
        return Outcome([], [], {"value": value})


@pytest.fixture
def make_engine() -> Any:
    engines = []

    def make(width: int = 1, limit: int = 100) -> tuple[Engine, Device]:
        device = Device()
        engine = Engine(lambda: device, limit=limit, rules=MergeRules(width))
        engines.append(engine)
        return engine, device

    yield make
    for engine in engines:
        engine.stop()


def job(work: Any, name: str = "job") -> Job:
    return Job(name, "txt2img", work)


def value(done: Job) -> int:
    return done.reply.result(timeout=5).info["value"]


def test_plain_loop_answers_jobs_one_after_another(make_engine: Any) -> None:
    engine, device = make_engine(width=1)
    jobs = [job(Count(100 * i, 3)) for i in range(3)]
    for one in jobs:
        engine.submit(one)
    engine.start()
    assert [value(one) for one in jobs] == [3, 103, 203]
    assert device.batches == [[v] for start in (0, 100, 200) for v in range(start, start + 3)]
    assert all(one.state is State.FINISHED for one in jobs)


def test_jobs_of_one_key_share_forwards_and_leave_at_their_own_step(make_engine: Any) -> None:
    engine, device = make_engine(width=8)
    short, long, other = job(Count(0, 2)), job(Count(100, 4)), job(Count(500, 2, group="b"))
    for one in (short, long, other):
        engine.submit(one)
    engine.start()
    assert [value(one) for one in (short, long, other)] == [2, 104, 502]
    assert [0, 100] in device.batches
    assert [1, 101] in device.batches
    assert all(len({v // 500 for v in batch}) == 1 for batch in device.batches), "keys were mixed"


def test_the_same_values_come_out_alone_and_merged(make_engine: Any) -> None:
    results = []
    for width in (1, 4):
        engine, _ = make_engine(width=width)
        jobs = [job(Count(10 * i, i + 1)) for i in range(6)]
        for one in jobs:
            engine.submit(one)
        engine.start()
        results.append([value(one) for one in jobs])
    assert results[0] == results[1]


def test_who_reads_the_answer_finds_the_job_counted(make_engine: Any) -> None:
    engine, _ = make_engine()
    one = job(Count(0, 2))
    engine.submit(one)
    seen: Future[tuple[int, list[Job]]] = Future()

    def look(_: Any) -> None:
        seen.set_result((engine.queue.counts()[0][State.FINISHED], engine.queue.running()))

    one.reply.add_done_callback(look)
    engine.start()
    assert seen.result(5) == (1, [])


def test_a_failure_ends_its_own_job_only(make_engine: Any) -> None:
    engine, device = make_engine()
    device.poison = {7}
    bad, good = job(Count(5, 4)), job(Count(20, 2))
    engine.submit(bad)
    engine.submit(good)
    engine.start()
    with pytest.raises(Fault) as caught:
        bad.reply.result(timeout=5)
    assert caught.value.status == 507
    assert caught.value.body()["error"] == "OutOfMemoryError"
    assert "no room" in caught.value.body()["errors"]
    assert bad.state is State.FAILED
    assert value(good) == 22
    assert device.freed == 1


def test_a_body_may_handle_the_failure_of_its_ask(make_engine: Any) -> None:
    class Retry(Count):
        def start(self, job: Job) -> Any:
            try:
                yield Increment(7, "a")
            except Fault:
                recovered = yield Increment(1, "a")
            return Outcome([], [], {"value": recovered})

    engine, device = make_engine()
    device.poison = {7}
    one = job(Retry(0, 0))
    engine.submit(one)
    engine.start()
    assert value(one) == 2


def test_interrupting_one_job_leaves_the_other(make_engine: Any) -> None:
    engine, _ = make_engine(width=2)
    first, second = job(Count(0, 10**9)), job(Count(0, 50))
    engine.submit(first)
    engine.submit(second)
    engine.start()
    assert value(second) == 50
    first.control.interrupted = True
    assert value(first) >= 50
    assert first.state is State.CANCELLED


def test_a_full_queue_refuses_with_503(make_engine: Any) -> None:
    engine, _ = make_engine(limit=2)
    engine.submit(job(Count(0, 1)))
    engine.submit(job(Count(0, 1)))
    with pytest.raises(ApiError, match="full: 2 jobs") as caught:
        engine.submit(job(Count(0, 1)))
    assert caught.value.status == 503
    assert caught.value.headers == {"Retry-After": "1"}


def test_drain_refuses_what_waits_and_finishes_what_runs(make_engine: Any) -> None:
    engine, _ = make_engine()
    running, waiting = job(Count(0, 10**9)), job(Count(0, 1))
    engine.submit(running)
    engine.submit(waiting)
    engine.start()
    wait_until(lambda: running.state is State.RUNNING)
    engine.drain()
    with pytest.raises(ApiError, match="shutting down"):
        waiting.reply.result(timeout=5)
    assert not running.reply.done()
    with pytest.raises(ApiError, match="shutting down"):
        engine.submit(job(Count(0, 1)))
    engine.stop()
    assert running.reply.done()


def test_a_withdrawn_job_is_never_begun(make_engine: Any) -> None:
    engine, device = make_engine()
    gone, kept = job(Count(900, 1)), job(Count(0, 1))
    engine.submit(gone)
    engine.submit(kept)
    assert gone.reply.cancel()
    engine.start()
    assert value(kept) == 1
    assert gone.state is State.CANCELLED
    assert [900] not in device.batches


def test_calls_run_on_the_engine_thread_between_steps(make_engine: Any) -> None:
    engine, device = make_engine()
    engine.start()
    name: Future[str] = engine.call(lambda given: threading.current_thread().name)
    assert name.result(timeout=5) == "engine"
    assert engine.call(lambda given: given is device).result(timeout=5)
    failing = engine.call(lambda given: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        failing.result(timeout=5)


def test_a_device_that_cannot_be_made_answers_every_job() -> None:
    def broken() -> Device:
        raise RuntimeError("no such device")

    engine = Engine(broken, limit=10)
    first, second = job(Count(0, 1)), job(Count(0, 1))
    engine.submit(first)
    engine.start()
    engine.submit(second)
    for one in (first, second):
        with pytest.raises(Fault, match="no such device"):
            one.reply.result(timeout=5)
    engine.stop()


def test_standing_and_latest_follow_the_job(make_engine: Any) -> None:
    engine, _ = make_engine()
    one, two = job(Count(0, 10**9), "one"), job(Count(0, 1), "two")
    engine.submit(one)
    engine.submit(two)
    engine.start()
    wait_until(lambda: one.state is State.RUNNING)
    queue = engine.queue
    assert queue.standing("one") == (True, False, False, 0, 1)
    assert queue.standing("two") == (False, True, False, 1, 1)
    assert queue.standing("nobody") == (False, False, False, 0, 1)
    assert queue.latest() is one
    assert queue.find("two") is two
    one.control.interrupted = True
    assert value(two) == 1
    wait_until(lambda: not queue.running())
    assert queue.standing("one").completed
    assert queue.latest() is two
    assert queue.find("nobody") is None


def wait_until(condition: Any, seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.005)
