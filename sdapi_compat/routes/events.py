"""A job's life as server-sent events (the WHATWG's HTML standard, 9.2)."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from starlette.responses import Response, StreamingResponse

from sdapi_compat.jobs.keeper import Entry
from sdapi_compat.routes.jobs import seen_by
from sdapi_compat.routes.progress import picture
from sdapi_compat.routes.standing import look_up, status_of
from sdapi_compat.routes.state import services
from sdapi_compat.schema.coerce import query_bool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from sdapi_compat.schema.jobs import JobStatus
    from sdapi_compat.services import Services

LOOK_SECONDS = 0.2
HEARTBEAT_SECONDS = 15.0
MEDIA_TYPE = "text/event-stream"
LAST_ID = "end"
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


async def events(request: Request) -> Response:
    """GET /sdapi/v1/jobs/{id}/events: what changes, as it changes, to the final state."""
    if request.headers.get("last-event-id") == LAST_ID:
        # The browser's EventSource comes back after the end; this status tells it that there is no more.
        return Response(status_code=204)
    held = services(request)
    wants_previews = query_bool("previews", request.query_params.get("previews"), default=True)
    found = await look_up(held, request.path_params["id"], seen_by(request))
    if request.method == "HEAD":
        return Response(headers=HEADERS, media_type=MEDIA_TYPE)
    if isinstance(found, Entry):
        stream = _alive(request, found, previews=wants_previews)
    else:
        stream = _once(status_of(held, found))
    return StreamingResponse(stream, media_type=MEDIA_TYPE, headers=HEADERS)


async def _once(status: JobStatus) -> AsyncIterator[bytes]:
    yield event("state", status, LAST_ID)


class Seen(NamedTuple):
    """What a listener was last told."""

    state: object = None
    step: object = None
    preview: int = 0


async def _alive(request: Request, entry: Entry, *, previews: bool) -> AsyncIterator[bytes]:
    """Steps that come faster than one looks are left out; each event tells all there is to know."""
    held, seen, told = services(request), Seen(), time.monotonic()
    while not entry.task.done():
        status = status_of(held, entry)
        state = (status.state, status.position)
        step = (entry.job.progress.job_no, status.sampling_step, status.sampling_steps)
        if state != seen.state or step != seen.step:
            yield event("state" if state != seen.state else "progress", status)
            told = time.monotonic()
        if previews:
            entry.job.progress.watch()
        shown = entry.job.progress.preview
        number = seen.preview
        if previews and shown is not None and shown.number != seen.preview:
            number = shown.number
            image = "data:image/png;base64," + await picture(shown, "png")
            yield event("preview", {"number": number, "image": image})
        seen = Seen(state, step, number)
        if time.monotonic() - told >= HEARTBEAT_SECONDS:
            yield b": still here\n\n"
            told = time.monotonic()
        await asyncio.wait({entry.task}, timeout=LOOK_SECONDS)
    yield event("state", await _last(held, entry), LAST_ID)


async def _last(held: Services, entry: Entry) -> JobStatus:
    """The final state as it is stored; without a store what the job knows of itself."""
    row = entry.row
    found = None
    if row is not None:
        found = await held.jobs.stored(lambda store: store.find_row(row))
    if found is not None:
        return status_of(held, found)
    return msgspec.structs.replace(status_of(held, entry), state=entry.job.state.value, progress=1.0)


def event(name: str, data: Any, number: str | None = None) -> bytes:
    """One event. The data is JSON, which has no line ends of its own."""
    mark = b"" if number is None else f"id: {number}\n".encode()
    return mark + f"event: {name}\ndata: ".encode() + msgspec.json.encode(data) + b"\n\n"
