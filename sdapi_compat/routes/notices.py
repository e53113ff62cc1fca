"""A job's life as webhooks: what is sent at its start, its success and its failure."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import msgspec

from sdapi_compat.engine.loop import named
from sdapi_compat.errors import InvalidRequest, Problem
from sdapi_compat.fetching.failures import FetchError
from sdapi_compat.webhooks.sender import Event

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task

    from sdapi_compat.engine.job import Job
    from sdapi_compat.jobs.keeper import Entry
    from sdapi_compat.jobs.record import Result
    from sdapi_compat.webhooks.sender import Sender

EVENTS = ("start", "completed", "failed")


class Notices:
    """Sends the events of one job. Nothing here waits, and nothing fails for whoever calls it."""

    def __init__(self, sender: Sender, loop: AbstractEventLoop, url: str, wanted: Sequence[str]) -> None:
        self._sender = sender
        self._loop = loop
        self._url = url
        self._wanted = frozenset(wanted)
        self._times: dict[str, str] = {}

    def follow(self, job: Job) -> None:
        """Tell of this job's start. Call it before the job is submitted, on any thread."""
        self._times["submitted_at"] = _now()
        job.began.add_done_callback(lambda _: self._began(job))

    def await_end(self, entry: Entry, place: str) -> None:
        """Tell of its end, once what came of it is stored. `place`: the path of the job."""
        entry.task.add_done_callback(lambda task: self._ended(entry, place, task))

    def _began(self, job: Job) -> None:
        """On the engine's thread."""
        self._times["started_at"] = _now()
        self._tell("start", job, {})

    def _ended(self, entry: Entry, place: str, task: Task[Result]) -> None:
        if entry.again or task.cancelled():
            return
        self._times["finished_at"] = _now()
        error = task.exception()
        if isinstance(error, Exception):
            told = named(error)
            self._tell("failed", entry.job, {"error": {"status": told.status, **told.body()}})
        elif error is None:
            self._completed(entry, place, task.result())

    def _completed(self, entry: Entry, place: str, result: Result) -> None:
        count = len(result.pictures)
        images = [] if entry.row is None else [f"{place}/images/{number}" for number in range(count)]
        info = msgspec.Raw(result.info.encode())
        self._tell("completed", entry.job, {"pictures": count, "images": images, "info": info})

    def _tell(self, event: str, job: Job, facts: dict[str, Any]) -> None:
        if event not in self._wanted:
            return
        about = {"job_id": job.id, "kind": job.kind, "state": job.state.value, **self._times, **facts}
        # The loop is closed once the server has ended; then nobody is left to send.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._send, f"job.{event}", _now(), about)

    def _send(self, kind: str, timestamp: str, about: dict[str, Any]) -> None:
        body = msgspec.json.encode({"type": kind, "timestamp": timestamp, "data": about})
        # The same after a restart, so that what is left of a job goes before what comes of it then.
        series = f"{about['job_id']} {self._url}"
        self._sender.send(series, self._url, Event(kind, body))


def notices(
    sender: Sender | None, loop: AbstractEventLoop, url: str | None, events: Sequence[str] | None
) -> Notices | None:
    """What a request's `webhook` and `webhook_events` want to be told, None for nothing.

    Raises InvalidRequest for a URL to which nothing is sent, and on a server without a secret.
    """
    if not url:
        return None
    if sender is None:
        raise _unfit("webhooks are off: the server was started without --webhook-secret")
    try:
        sender.check(url)
    except FetchError as error:
        raise _unfit(f"this URL cannot be called: {error.reason}") from None
    return Notices(sender, loop, url, EVENTS if events is None else events)


def _unfit(message: str) -> InvalidRequest:
    return InvalidRequest([Problem(("body", "webhook"), message, "value_error")])


def _now() -> str:
    return datetime.now(timezone.utc).isoformat().replace("+00:00", "Z")
