"""What is told of a job, from its life alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from sdapi_compat.engine.job import Job, Outcome, Withdrawn
from sdapi_compat.engine.queue import ShuttingDown
from sdapi_compat.errors import ApiError, InvalidRequest
from sdapi_compat.fetching.fetcher import Fetcher
from sdapi_compat.fetching.rules import Rules
from sdapi_compat.jobs.allowance import Allowance
from sdapi_compat.jobs.keeper import Entry, Keeper
from sdapi_compat.jobs.record import Encoded, Result
from sdapi_compat.routes.notices import notices
from sdapi_compat.webhooks.sender import Sender

URL = "https://a.example/hook"
NO_WORK: Any = None


class Recorder(Sender):
    """Keeps what it should send."""

    def __init__(self) -> None:
        super().__init__(Fetcher(), [b"k" * 24], Rules())
        self.sent: list[Any] = []

    def send(self, series: object, url: str, event: Any) -> None:
        body = json.loads(event.body)
        assert (url, body["type"]) == (URL, event.type)
        self.sent.append((event.type.removeprefix("job."), body["data"]))


def kept(outcome: Outcome) -> Result:
    """A result as it is kept, with two pictures."""
    return Result([Encoded("PNG", b""), Encoded("PNG", b"")], b"{}", json.dumps(outcome.info))


def told(life: Any, events: Any = None, row: int | None = 1, closed: bool = False) -> list[Any]:
    """What is sent when a job lives so, in another thread, as the engine's.

    `row`: its place in the store. `closed`: the server is stopping.
    """

    async def run() -> list[Any]:
        recorder = Recorder()
        told = notices(recorder, asyncio.get_running_loop(), URL, events)
        assert told is not None
        job = Job("task(x)", "txt2img", NO_WORK)
        told.follow(job)
        engine: Any = SimpleNamespace(queue=SimpleNamespace(closed=closed))
        entry = Keeper(engine, None, Allowance(0)).follow(Entry(job, "", row, kept, 0.0))
        told.await_end(entry, "/jobs/x")
        await asyncio.to_thread(life, job)
        await asyncio.wait({entry.task})
        await asyncio.sleep(0.01)
        return recorder.sent

    return asyncio.run(run())


def finish(job: Job) -> None:
    job.begin()
    job.finish(Outcome([], ["text"], {"seed": 5}))


def test_a_finished_job() -> None:
    (start, first), (end, data) = told(finish)
    assert (start, end) == ("start", "completed")
    assert first.keys() == {"job_id", "kind", "state", "submitted_at", "started_at"}
    assert (data["state"], data["info"], data["pictures"]) == ("finished", {"seed": 5}, 2)
    assert data["images"] == ["/jobs/x/images/0", "/jobs/x/images/1"]


def test_a_job_that_is_not_stored() -> None:
    assert told(finish, row=None)[1][1]["images"] == []


def test_a_job_that_was_begun_twice_starts_once() -> None:
    def life(job: Job) -> None:
        job.begin()
        finish(job)

    assert [kind for kind, _ in told(life)] == ["start", "completed"]


def test_an_interrupted_job() -> None:
    def life(job: Job) -> None:
        job.control.interrupted = True
        finish(job)

    assert told(life)[1][1]["state"] == "cancelled"


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (ApiError(503, "no"), {"status": 503, "error": "HTTPException", "detail": "no"}),
        (KeyError("x"), {"status": 500, "error": "KeyError", "errors": "'x'"}),
        (ShuttingDown(), {"status": 503}),
    ],
)
def test_a_failed_job(error: Exception, shown: dict[str, Any]) -> None:
    def life(job: Job) -> None:
        job.begin()
        job.fail(error)

    found = told(life, row=None)
    (_, data) = found[1]
    assert [kind for kind, _ in found] == ["start", "failed"]
    assert {name: data["error"][name] for name in shown} == shown
    assert data["state"] == "failed"


def test_a_refused_job_never_started() -> None:
    ((kind, data),) = told(lambda job: job.fail(ApiError(503, "no")))
    assert (kind, data["state"], "started_at" in data) == ("failed", "failed", False)


def test_a_withdrawn_job() -> None:
    ((kind, data),) = told(lambda job: job.fail(Withdrawn()))
    assert (kind, data["state"], data["error"]["status"]) == ("failed", "cancelled", Withdrawn().status)


def test_what_the_next_process_does_again_has_not_ended() -> None:
    def cut_short(job: Job) -> None:
        job.control.interrupted = True
        finish(job)

    assert [kind for kind, _ in told(cut_short, closed=True)] == ["start"]
    assert told(lambda job: job.fail(ShuttingDown()), closed=True) == []
    assert [kind for kind, _ in told(cut_short, row=None)] == ["start", "completed"]


@pytest.mark.parametrize(
    ("events", "kinds"), [(["start"], ["start"]), (["completed"], ["completed"]), (["failed"], []), ([], [])]
)
def test_only_what_is_wanted(events: list[str], kinds: list[str]) -> None:
    assert [kind for kind, _ in told(finish, events)] == kinds


def test_nobody_is_told_after_the_end() -> None:
    """The engine's thread may outlive the event loop, and does not notice."""
    loop = asyncio.new_event_loop()
    told = notices(Recorder(), loop, URL, None)
    assert told is not None
    job = Job("task(x)", "txt2img", NO_WORK)
    told.follow(job)
    loop.close()
    finish(job)
    assert job.reply.done()


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


@pytest.mark.parametrize("url", [None, ""])
def test_nothing_is_wanted(url: str | None, loop: asyncio.AbstractEventLoop) -> None:
    assert notices(None, loop, url, ["start"]) is None


@pytest.mark.parametrize(
    "url", ["ftp://a.example/", "http://127.0.0.1/", "http://[::1]/", "http://a.example:22/", "x"]
)
def test_urls_that_are_refused(url: str, loop: asyncio.AbstractEventLoop) -> None:
    with pytest.raises(InvalidRequest) as caught:
        notices(Recorder(), loop, url, None)
    (problem,) = caught.value.problems
    assert problem.loc == ("body", "webhook")


def test_without_a_secret(loop: asyncio.AbstractEventLoop) -> None:
    with pytest.raises(InvalidRequest, match="--webhook-secret"):
        notices(None, loop, URL, None)
