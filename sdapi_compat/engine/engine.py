"""The engine: one thread that owns one device and answers all its jobs, and a second one that watches it.

The work is in :mod:`.loop`. Here are the ways in (`submit`, `call`), the way out (`drain`, `stop`), and what
happens to the jobs when the thread dies or does not come back from the device.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from sdapi_compat.engine.job import Withdrawn
from sdapi_compat.engine.loop import IDLE_SECONDS, Device, Loop, named
from sdapi_compat.engine.queue import JobQueue, MergeRules, ShuttingDown
from sdapi_compat.engine.tally import Tally
from sdapi_compat.errors import Fault, SdapiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sdapi_compat.engine.job import Job

log = logging.getLogger(__name__)
T = TypeVar("T")
#: How often a job is begun again after the engine's thread died with it.
RETRIES = 1


class Engine:
    """Owns the device thread. `submit` and `call` are safe from any thread.

    `stuck_after`: seconds without a sign of life from the device after which its jobs are failed; 0 never.
    """

    def __init__(
        self,
        make_device: Callable[[], Device],
        *,
        limit: int,
        rules: MergeRules | None = None,
        stuck_after: float = 0.0,
        tally: Tally | None = None,
    ) -> None:
        self.queue = JobQueue(limit)
        self.tally = tally or Tally()
        self.ready: Future[Device] = Future()
        self._make_device = make_device
        self._rules = rules or MergeRules()
        self._stuck_after = stuck_after
        self._calls: deque[tuple[Callable[[Any], Any], Future[Any]]] = deque()
        self._loop: Loop | None = None
        self._stopping = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._watch = threading.Thread(target=self._supervise, name="engine-watch", daemon=True)

    def start(self) -> None:
        """Begin to make the device and then to serve jobs."""
        self._thread.start()
        self._watch.start()

    def submit(self, job: Job) -> None:
        """Admit a job. Its `reply` is answered exactly once."""
        self.queue.put(job)

    def withdraw(self, job: Job) -> None:
        """Nobody wants this job any more: answered now if it waits, and before its next step if it runs."""
        job.control.withdrawn = True
        if self.queue.remove(job):
            job.fail(Withdrawn())
        self.queue.wake()

    def call(self, work: Callable[[Any], T]) -> Future[T]:
        """Run `work(device)` on the engine's thread between model calls."""
        done: Future[T] = Future()
        self._calls.append((work, done))
        self.queue.wake()
        return done

    def drain(self) -> None:
        """Admit nothing more and refuse what waits; what runs goes on."""
        for job in self.queue.close():
            job.fail(ShuttingDown())

    def stop(self, seconds: float = 5.0) -> None:
        """Drain, interrupt what runs and end the thread."""
        self.drain()
        for job in self.queue.running():
            job.control.interrupted = True
        self._stopping = True
        if self._loop is not None:
            self._loop.stopping = True
        self._ended.set()
        self.queue.wake()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        """The engine's thread: make the device, then loop."""
        try:
            device = self._make_device()
        except Exception as error:  # a device that cannot be made must answer every job with the reason
            log.exception("the device could not be prepared")
            if not self.ready.done():
                self.ready.set_exception(error)
            self._refuse_all(named(error))
            return
        if not self.ready.done():
            self.ready.set_result(device)
        loop = Loop(device, self.queue, self._calls, self._rules, self.tally)
        loop.stopping = self._stopping
        self._loop = loop
        loop.run()

    def _refuse_all(self, error: SdapiError) -> None:
        while not self._stopping:
            job = self.queue.take([], self._rules)
            if job is None:
                self.queue.wait(IDLE_SECONDS, unless=lambda: self._stopping)
                continue
            job.fail(error)

    def _supervise(self) -> None:
        """The watching thread: a dead or stuck engine thread is replaced, its jobs begun again or told."""
        while not self._ended.wait(IDLE_SECONDS):
            loop = self._loop
            if loop is None:
                continue
            if not self._thread.is_alive():
                log.critical("the engine's thread died; another one takes over")
                self._replace(loop, self._again)
            elif self._stuck(loop):
                log.critical("the device has not answered for %.0f s; giving it up", self._stuck_after)
                self._replace(loop, self._give_up)

    def _stuck(self, loop: Loop) -> bool:
        return bool(self._stuck_after and loop.running and time.monotonic() - loop.beat > self._stuck_after)

    def _replace(self, loop: Loop, settle: Callable[[Job], None]) -> None:
        loop.abandoned = True
        self._loop = None
        for job in self.queue.running():
            settle(job)
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def _again(self, job: Job) -> None:
        if job.control.stopped or job.retries >= RETRIES:
            job.fail(Fault("RuntimeError", "The engine died twice while this job ran"))
            return
        job.retries += 1
        self.queue.put_back(job)

    def _give_up(self, job: Job) -> None:
        message = f"No step was made for {self._stuck_after:.0f} s (--watchdog-seconds)"
        job.fail(Fault("TimeoutError", message, 504))
