"""The engine: one thread that owns one device and answers all its jobs, step by step.

The loop is five verbs: receive, admit, gather, denoise, deliver. A job's body is a generator that yields
asks; `gather` picks asks with one key, `denoise` answers them together, `deliver` sends each body its answer.
With `width` 1 it is the plain loop, one job at a time.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from sdapi_compat.engine.queue import JobQueue
from sdapi_compat.errors import ApiError, Fault, SdapiError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from sdapi_compat.engine.asks import Ask
    from sdapi_compat.engine.job import Job, Outcome

log = logging.getLogger(__name__)
T = TypeVar("T")
IDLE_SECONDS = 0.5


class Device(Protocol):
    """What answers asks. Made on the engine's thread, used only there."""

    def answer(self, asks: Sequence[Ask]) -> list[Any]:
        """One answer per ask; all asks have the same key."""
        ...

    def free(self) -> None:
        """Give back memory that nothing uses, after a failure."""
        ...

    def text_width(self) -> int | None:
        """Length of the loaded model's text vectors, None when none is loaded."""
        ...


class Running(NamedTuple):
    """A job that has been begun, its body, and what the body waits for."""

    job: Job
    body: Generator[Ask, Any, Outcome]
    ask: Ask


class Engine:
    """Owns the device thread. `submit` and `call` are safe from any thread."""

    def __init__(self, make_device: Callable[[], Device], *, limit: int, width: int = 1) -> None:
        self.queue = JobQueue(limit)
        self.ready: Future[Device] = Future()
        self._make_device = make_device
        self._width = width
        self._calls: deque[tuple[Callable[[Any], Any], Future[Any]]] = deque()
        self._running: list[Running] = []
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        """Begin to make the device and then to serve jobs."""
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Admit a job. Its `reply` is answered exactly once."""
        self.queue.put(job)

    def call(self, work: Callable[[Any], T]) -> Future[T]:
        """Run `work(device)` on the engine's thread between model calls."""
        done: Future[T] = Future()
        self._calls.append((work, done))
        self.queue.wake()
        return done

    def drain(self) -> None:
        """Admit nothing more and refuse what waits; what runs goes on."""
        for job in self.queue.close():
            job.fail(ApiError(503, "The server is shutting down"))

    def stop(self, seconds: float = 5.0) -> None:
        """Drain, interrupt what runs and end the thread."""
        self.drain()
        for job in self.queue.running():
            job.control.interrupted = True
        self._stopping = True
        self.queue.wake()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        try:
            device = self._make_device()
        except Exception as error:  # a device that cannot be made must answer every job with the reason
            log.exception("the device could not be prepared")
            self.ready.set_exception(error)
            self._refuse_all(_named(error))
            return
        self.ready.set_result(device)
        while not (self._stopping and not self._running):
            self._receive(device)
            self._admit()
            batch = self._gather()
            if not batch:
                self.queue.wait(IDLE_SECONDS, unless=lambda: bool(self._calls))
                continue
            self._deliver(batch, self._denoise(device, batch))

    def _refuse_all(self, error: SdapiError) -> None:
        while not self._stopping:
            job = self.queue.take()
            if job is None:
                self.queue.wait(IDLE_SECONDS, unless=lambda: self._stopping)
                continue
            job.fail(error)
            self.queue.retire(job)

    def _receive(self, device: Device) -> None:
        while self._calls:
            work, done = self._calls.popleft()
            try:
                done.set_result(work(device))
            except Exception as error:  # noqa: BLE001 - handed to whoever awaits the future
                done.set_exception(error)

    def _admit(self) -> None:
        while len(self._running) < self._width:
            job = self.queue.take()
            if job is None:
                return
            self._step(job, None, None)

    def _gather(self) -> list[Running]:
        if not self._running:
            return []
        key = self._running[0].ask.key
        return [one for one in self._running if one.ask.key == key]

    def _denoise(self, device: Device, batch: list[Running]) -> list[Any]:
        try:
            return device.answer([one.ask for one in batch])
        except Exception as error:  # noqa: BLE001 - becomes the reply of the jobs that asked
            device.free()
            return [error] * len(batch)

    def _deliver(self, batch: list[Running], answers: list[Any]) -> None:
        for one, answer in zip(batch, answers, strict=True):
            self._running.remove(one)
            self._step(one.job, one.body, answer)

    def _step(self, job: Job, body: Generator[Ask, Any, Outcome] | None, answer: Any) -> None:
        """Let a body run to its next ask, its end or its failure."""
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
                log.exception("job %s failed", job.id)
            job.fail(_named(error))
        else:
            self._running.append(Running(job, body, ask))
            return
        self.queue.retire(job)


def _named(error: Exception) -> SdapiError:
    """The error in the original's reply shape: the class name and the text."""
    if isinstance(error, SdapiError):
        return error
    return Fault(type(error).__name__, str(error))
