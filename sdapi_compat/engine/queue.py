"""Jobs that wait, run and have lately finished: the one place that knows them all."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from typing import TYPE_CHECKING, NamedTuple

from sdapi_compat.engine.job import State
from sdapi_compat.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sdapi_compat.engine.job import Job

REMEMBERED = 16
RESTART_SECONDS = 10
LONGEST_RETRY = 60


class ShuttingDown(Busy):
    """The answer to jobs that a stopping server does not begin."""

    def __init__(self) -> None:
        super().__init__(503, "The server is shutting down", RESTART_SECONDS)


class MergeRules(NamedTuple):
    """How jobs share the device.

    `pictures`: how many may be in work at once, 1 for one job after another. `patience`: seconds that a model
    may have the device while jobs or asks of others wait.
    """

    pictures: int = 1
    patience: float = 4.0


class Standing(NamedTuple):
    """Where a task id stands; `position` counts from 1 among those that wait."""

    active: bool
    queued: bool
    completed: bool
    position: int
    waiting: int


class Waits(NamedTuple):
    """How many jobs were begun, and how long they had waited in all, in seconds."""

    begun: int
    seconds: float


class JobQueue:
    """Bounded; safe to use from any thread."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: deque[Job] = deque()
        self._running: list[Job] = []
        self._finished: deque[Job] = deque(maxlen=REMEMBERED)
        self._ended: Counter[State] = Counter()
        self._waits = Waits(0, 0.0)
        self._last_wait = 0.0
        self._turn = 0.0
        self._closed = False
        self._changed = threading.Condition()

    def put(self, job: Job) -> None:
        """Admit a job. Busy 503 when the queue is full or the server is stopping."""
        with self._changed:
            if self._closed:
                raise ShuttingDown
            if len(self._waiting) >= self._limit:
                message = f"The queue is full: {len(self._waiting)} jobs are waiting"
                raise Busy(503, message, self._seconds_per_job())
            self._waiting.append(job)
            # The first callback of all: who reads the answer finds the job counted.
            job.reply.add_done_callback(lambda _: self._retire(job))
            self._changed.notify_all()

    def _seconds_per_job(self) -> int:
        """How long it lately took until one more job was begun, as Retry-After says it: 1 to 60 seconds."""
        seconds = self._last_wait / self._limit
        return min(max(math.ceil(seconds), 1), LONGEST_RETRY)

    def put_back(self, job: Job) -> None:
        """A job that was begun waits again, in front of the others."""
        with self._changed:
            self._running.remove(job)
            job.state = State.QUEUED
            self._waiting.appendleft(job)
            self._changed.notify_all()

    def remove(self, job: Job) -> bool:
        """Take a job out of those that wait. False when it does not wait."""
        with self._changed:
            if job not in self._waiting:
                return False
            self._waiting.remove(job)
            return True

    def take(self, running: Sequence[Job], rules: MergeRules) -> Job | None:
        """The next job that may join those that run, begun; None when there is none now.

        The highest priority first, and among equals first come, first served. While jobs run, others of
        their models may overtake one that needs another model, until that one has waited `rules.patience`
        during the turn of these models.
        """
        with self._changed:
            while (job := self._next(running, rules)) is not None:
                self._waiting.remove(job)
                if not any(one.model == job.model for one in running):
                    self._turn = time.monotonic()
                if job.begin():
                    self._last_wait = time.monotonic() - job.submitted
                    self._waits = Waits(self._waits.begun + 1, self._waits.seconds + self._last_wait)
                    self._running.append(job)
                    return job
            return None

    def _next(self, running: Sequence[Job], rules: MergeRules) -> Job | None:
        # max gives the first of equals.
        first = max(self._waiting, key=lambda job: job.priority, default=None)
        if first is None or not running:
            return first
        models = [job.model for job in running]
        chosen: Job | None = first
        if first.model not in models:
            # Counted from the begin of the turn: were it from the coming of the job alone, a long queue would
            # have models change places with every job.
            if time.monotonic() - max(first.submitted, self._turn) > rules.patience:
                return None
            ours = (job for job in self._waiting if job.model in models)
            chosen = max(ours, key=lambda job: job.priority, default=None)
        room = rules.pictures - sum(job.pictures for job in running)
        return chosen if chosen is not None and chosen.pictures <= room else None

    def _retire(self, job: Job) -> None:
        """The job has been answered; one that never began is not counted."""
        with self._changed:
            if job in self._running:
                self._running.remove(job)
                self._finished.append(job)
                self._ended[job.state] += 1

    def wait(self, seconds: float, unless: Callable[[], bool]) -> None:
        """Block until something changes, `seconds` at most, or not at all when there is something to do."""
        with self._changed:
            if not self._waiting and not unless():
                self._changed.wait(seconds)

    def wake(self) -> None:
        """End a `wait` early."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> list[Job]:
        """Admit nothing more; gives the jobs that were waiting, for the caller to answer."""
        with self._changed:
            self._closed = True
            waiting = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
            return waiting

    @property
    def closed(self) -> bool:
        """True when nothing more is admitted."""
        return self._closed

    def running(self) -> list[Job]:
        """Jobs the engine has taken up, oldest first."""
        with self._changed:
            return list(self._running)

    def counts(self) -> tuple[dict[State, int], Waits]:
        """How many begun jobs ended in each final state, and how long jobs waited."""
        with self._changed:
            final = (State.FINISHED, State.FAILED, State.CANCELLED)
            return {state: self._ended[state] for state in final}, self._waits

    def waiting(self) -> list[Job]:
        """Jobs not yet begun, next first."""
        with self._changed:
            return list(self._waiting)

    def latest(self) -> Job | None:
        """The job /progress speaks of: the one that runs, else the last that ran."""
        with self._changed:
            if self._running:
                return self._running[0]
            return self._finished[-1] if self._finished else None

    def find(self, task_id: str) -> Job | None:
        """A waiting, running or remembered job by its id."""
        with self._changed:
            for job in (*self._running, *self._waiting, *reversed(self._finished)):
                if job.id == task_id:
                    return job
            return None

    def standing(self, task_id: str) -> Standing:
        """Where `task_id` stands; all false for an id nobody knows."""
        with self._changed:
            waiting = [job.id for job in self._waiting]
            queued = task_id in waiting
            return Standing(
                active=any(job.id == task_id for job in self._running),
                queued=queued,
                completed=any(job.id == task_id for job in self._finished),
                position=waiting.index(task_id) + 1 if queued else 0,
                waiting=len(waiting),
            )
