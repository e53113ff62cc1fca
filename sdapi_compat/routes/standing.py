"""Where a job stands, in the words of the API: alive or stored."""

from __future__ import annotations

import base64
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import msgspec

from sdapi_compat.errors import ApiError
from sdapi_compat.jobs.keeper import Entry
from sdapi_compat.jobs.record import StoredError
from sdapi_compat.schema.jobs import JobStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdapi_compat.engine.job import Job
    from sdapi_compat.jobs.record import Record, Result
    from sdapi_compat.schema.jobs import State
    from sdapi_compat.services import Services

JOBS = "/sdapi/v1/jobs"


async def look_up(held: Services, job_id: str, owner: str | None) -> Entry | Record:
    """A job, alive or stored. ApiError 404 for one that is not there, or somebody else's."""
    entry = held.jobs.find(job_id, owner)
    if entry is not None:
        return entry
    record = await held.jobs.stored(lambda store: store.find(job_id, owner))
    if record is None:
        raise ApiError(404, "Job not found")
    if not record.open:
        return record
    # It may have come alive in between.
    return held.jobs.find(job_id, owner) or record


def location(held: Services, job_id: str) -> str:
    """The path of a job, as clients see it."""
    return f"{held.settings.subpath}{JOBS}/{quote(job_id, safe='')}"


def status_of(held: Services, found: Entry | Record) -> JobStatus:
    """Where a job stands now."""
    return status_in(held, found, held.engine.queue.waiting() if isinstance(found, Entry) else ())


def status_in(held: Services, found: Entry | Record, waiting: Sequence[Job]) -> JobStatus:
    """The same for several at one moment; `waiting`: the jobs that wait, next first."""
    if isinstance(found, Entry):
        return _alive(found, waiting)
    error = None if found.error is None else StoredError.unpack(found.error)
    status = None if found.open else 200
    return JobStatus(
        id=found.id,
        kind=found.kind,
        state=cast("State", "queued" if found.open else found.state),
        created_at=moment(found.created),
        started_at=moment(found.started),
        finished_at=moment(found.finished),
        progress=1.0 if found.state == "finished" else 0.0,
        images=picture_paths(held, found.id, found.pictures),
        status=status if error is None else error.status,
        error=None if error is None else error.body(),
    )


def _alive(entry: Entry, waiting: Sequence[Job]) -> JobStatus:
    job, told = entry.job, entry.job.progress
    share = told.fraction()
    return JobStatus(
        id=job.id,
        kind=job.kind,
        state=entry.state.value,
        position=waiting.index(job) + 1 if job in waiting else None,
        created_at=moment(entry.created),
        started_at=moment(entry.started),
        progress=share,
        eta_relative=told.elapsed() / share - told.elapsed() if share > 0 else None,
        sampling_step=told.sampling_step,
        sampling_steps=told.sampling_steps,
        textinfo=told.textinfo,
    )


def moment(seconds: float | None) -> str | None:
    """Unix seconds as ISO 8601 in UTC, to the millisecond."""
    if seconds is None:
        return None
    text = datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def picture_paths(held: Services, job_id: str, count: int) -> list[str]:
    """Where the pictures of a job are, as clients see it."""
    return [f"{location(held, job_id)}/images/{number}" for number in range(count)]


def reply_of(held: Services, job_id: str, result: Result) -> dict[str, Any]:
    """The body of txt2img and img2img."""
    pictures = result.pictures if result.sent else []
    return {
        "images": picture_paths(held, job_id, len(pictures))
        if result.linked
        else [base64.b64encode(picture.data).decode() for picture in pictures],
        "parameters": msgspec.Raw(result.parameters),
        "info": result.info,
    }


async def answer_of(held: Services, record: Record) -> Result:
    """What a stored job was answered with. Raises its error, or ApiError 410 when its result is gone."""
    if record.error is not None:
        raise StoredError.unpack(record.error)
    result = await held.jobs.stored(lambda store: store.result(record.row))
    if result is None:
        raise ApiError(410, "The result is no longer there")
    return result
