"""Jobs that wait, run and have lately finished: the one place that knows them all."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from sdapi_compat.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sdapi_compat.engine.job import Job

REMEMBERED = 16


class Standing(NamedTuple):
    """Where a task id stands; `position` counts from 1 among those that wait."""

    active: bool
    queued: bool
    completed: bool
    position: int
    waiting: int


class JobQueue:
    """First come, first served, bounded; safe to use from any thread."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: deque[Job] = deque()
        self._running: list[Job] = []
        self._finished: deque[Job] = deque(maxlen=REMEMBERED)
        self._closed = False
        self._changed = threading.Condition()

    def put(self, job: Job) -> None:
        """Admit a job. ApiError 503 when the queue is full or the server is stopping."""
        with self._changed:
            if self._closed:
                raise ApiError(503, "The server is shutting down")
            if len(self._waiting) >= self._limit:
                raise ApiError(503, f"The queue is full: {len(self._waiting)} jobs are waiting")
            self._waiting.append(job)
            self._changed.notify_all()

    def take(self) -> Job | None:
        """The next job, begun; None when nobody waits."""
        with self._changed:
            while self._waiting:
                job = self._waiting.popleft()
                if job.begin():
                    self._running.append(job)
                    return job
            return None

    def retire(self, job: Job) -> None:
        """The job has been answered."""
        with self._changed:
            self._running.remove(job)
            self._finished.append(job)

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

    def running(self) -> list[Job]:
        """Jobs the engine has taken up, oldest first."""
        with self._changed:
            return list(self._running)

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
