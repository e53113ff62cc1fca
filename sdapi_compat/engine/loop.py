"""The engine's loop: five verbs, on one thread, with one device.

receive: run calls of other threads · admit: begin jobs · gather: pick asks with one key · denoise: answer
them together · deliver: send each body its answer. With room for one picture it is the plain loop.
"""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any, Protocol

from sdapi_compat import logs
from sdapi_compat.engine import recovery
from sdapi_compat.engine.asks import rows
from sdapi_compat.engine.budget import Budget
from sdapi_compat.engine.gather import Running, gather
from sdapi_compat.engine.job import Withdrawn
from sdapi_compat.errors import Fault, SdapiError

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Generator, Sequence
    from concurrent.futures import Future

    from sdapi_compat.engine.asks import Ask
    from sdapi_compat.engine.job import Job, Outcome
    from sdapi_compat.engine.queue import JobQueue, MergeRules
    from sdapi_compat.engine.tally import Tally
    from sdapi_compat.plan.plan import ModelChoice

log = logging.getLogger(__name__)
IDLE_SECONDS = 0.5


class Device(Protocol):
    """What answers asks. Made on the engine's thread, used only there."""

    def answer(self, asks: Sequence[Ask]) -> list[Any]:
        """One answer per ask; all asks have the same key."""
        ...

    def free(self) -> None:
        """Give back memory that nothing uses, after a failure."""
        ...

    def out_of_memory(self, error: Exception) -> str | None:
        """What was needed and what is free, in words; None for an error that is something else."""
        ...

    def headroom(self) -> int | None:
        """Bytes that could be allocated now; None where nobody can say."""
        ...

    @property
    def loaded(self) -> ModelChoice | None:
        """The model that answered last."""
        ...

    @property
    def peak(self) -> int:
        """Bytes that the last answer needed beyond what was there before; 0 where nobody can say."""
        ...

    def text_width(self) -> int | None:
        """Length of the loaded model's text vectors, None when none is loaded."""
        ...


ROWS_PER_PICTURE = 2  # with guidance each picture has a conditional and an unconditional row


class Loop:
    """One life of the engine's thread. `beat`: monotonic seconds of the newest sign of life.

    `abandoned`: another loop has taken over; this one ends where it stands.
    """

    def __init__(
        self,
        device: Device,
        queue: JobQueue,
        calls: deque[tuple[Callable[[Any], Any], Future[Any]]],
        rules: MergeRules,
        tally: Tally,
    ) -> None:
        self.running: list[Running] = []
        self.stopping = False
        self.abandoned = False
        self.beat = time.monotonic()
        self._device = device
        self._queue = queue
        self._calls = calls
        self._rules = rules
        self._tally = tally
        self._budget = Budget(max(1, rules.pictures) * ROWS_PER_PICTURE, device.headroom)

    def run(self) -> None:
        """Until `stopping` is set and what runs has ended."""
        while not (self.stopping and not self.running):
            self.beat = time.monotonic()
            self._receive()
            self._admit()
            batch = self._gather()
            if not batch:
                self._queue.wait(IDLE_SECONDS, unless=lambda: bool(self._calls))
                continue
            answers = self._denoise(batch)
            if self.abandoned:
                return
            self._deliver(batch, answers)

    def _receive(self) -> None:
        while self._calls:
            work, done = self._calls.popleft()
            try:
                done.set_result(work(self._device))
            except Exception as error:  # noqa: BLE001 - handed to whoever awaits the future
                done.set_exception(error)

    def _admit(self) -> None:
        for one in [one for one in self.running if one.job.control.withdrawn]:
            self.running.remove(one)
            self._drop(one)
        jobs = [one.job for one in self.running]
        while (job := self._queue.take(jobs, self._rules)) is not None:
            jobs.append(job)
            self._step(job, None, None)

    def _gather(self) -> list[Running]:
        overdue = time.monotonic() - self._rules.patience
        return gather(self.running, self._device.loaded, self._budget, overdue)

    def _denoise(self, batch: list[Running]) -> list[Any]:
        asks = [one.ask for one in batch]
        begun = time.monotonic()
        answers = recovery.answers(self._device, asks, self._budget)
        self._tally.count(asks, time.monotonic() - begun)
        if self._device.peak:
            self._budget.took(asks[0].key, sum(map(rows, asks)), self._device.peak)
        return answers

    def _deliver(self, batch: list[Running], answers: list[Any]) -> None:
        for one, answer in zip(batch, answers, strict=True):
            self.running.remove(one)
            if one.job.control.withdrawn:
                self._drop(one)
            else:
                self._step(one.job, one.body, answer)

    def _drop(self, one: Running) -> None:
        """End a withdrawn job where it stands: nothing is decoded or saved any more."""
        one.job.fail(Withdrawn())
        with contextlib.suppress(Exception):  # whatever the body does at its end, the job has been answered
            one.body.close()

    def _step(self, job: Job, body: Generator[Ask, Any, Outcome] | None, answer: Any) -> None:
        """Let a body run to its next ask, its end or its failure."""
        with logs.about(job.id):
            self._advance(job, body, answer)

    def _advance(self, job: Job, body: Generator[Ask, Any, Outcome] | None, answer: Any) -> None:
        try:
            if body is None:
                body = job.work.start(job)
                ask = next(body)
            elif isinstance(answer, Exception):
                ask = body.throw(answer)
            else:
                ask = body.send(answer)
        except StopIteration as stop:
            job.finish(stop.value)
        except Exception as error:  # the engine's boundary: an error ends its own job only
            if not isinstance(error, SdapiError):
                log.exception("the job failed")
            job.fail(named(error))
        else:
            self.running.append(Running(job, body, ask, time.monotonic()))


def named(error: Exception) -> SdapiError:
    """The error in the original's reply shape: the class name and the text."""
    if isinstance(error, SdapiError):
        return error
    return Fault(type(error).__name__, str(error))
