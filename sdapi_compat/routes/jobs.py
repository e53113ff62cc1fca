"""Jobs by their ids: where they stand, what came of them, and their end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response

from sdapi_compat.errors import ApiError, InvalidRequest, Problem, SdapiError
from sdapi_compat.jobs.keeper import Entry
from sdapi_compat.routes.media import PICTURES, chosen
from sdapi_compat.routes.picture import offers, picture_reply
from sdapi_compat.routes.reply import json_reply
from sdapi_compat.routes.standing import answer_of, look_up, reply_of, status_in, status_of
from sdapi_compat.routes.state import services
from sdapi_compat.routes.wishes import owner_of
from sdapi_compat.schema.coerce import query_bool
from sdapi_compat.schema.jobs import Job, JobList

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from sdapi_compat.jobs.record import Record
    from sdapi_compat.services import Services

STATES = ("queued", "running", "finished", "failed", "cancelled")
USUAL, MOST = 50, 500
LARGEST_ROW = 2**63 - 1
#: How long the cancelling of a running job is waited for; it ends before its next step.
CANCEL_SECONDS = 5.0


def seen_by(request: Request) -> str | None:
    """Whose jobs the caller may see: a user's own; None, without users, stands for everybody's."""
    return owner_of(request) if services(request).settings.users else None


async def listing(request: Request) -> Response:
    """GET /sdapi/v1/jobs: newest first."""
    held, owner = services(request), seen_by(request)
    state = request.query_params.get("state")
    if state is not None and state not in STATES:
        raise _unfit("state", f"expected one of {', '.join(STATES)}")
    limit, before = _number(request, "limit", MOST) or USUAL, _number(request, "before", LARGEST_ROW)
    records = await held.jobs.stored(lambda store: store.page(owner, state, before, limit)) or []
    alive = [entry for entry in held.jobs.alive() if owner in (None, entry.owner)]
    homeless = [entry for entry in reversed(alive) if entry.row is None] if before is None else []
    by_row = {entry.row: entry for entry in alive}
    waiting = held.engine.queue.waiting()
    found: Sequence[Entry | Record] = [*homeless, *(by_row.get(record.row, record) for record in records)]
    told = [status_in(held, one, waiting) for one in found]
    following = records[-1].row if len(records) == limit else None
    return json_reply(JobList([one for one in told if state in (None, one.state)], following))


async def show(request: Request) -> Response:
    """GET /sdapi/v1/jobs/{id}: where it stands, and its reply once it is there."""
    held = services(request)
    with_result = query_bool("result", request.query_params.get("result"), default=True)
    found = await look_up(held, request.path_params["id"], seen_by(request))
    status = msgspec.structs.asdict(status_of(held, found))
    result = None
    if with_result and not isinstance(found, Entry) and not found.open and found.error is None:
        result = reply_of(held, found.id, await answer_of(held, found))
    return json_reply(Job(**status, result=result))


async def image(request: Request) -> Response:
    """GET /sdapi/v1/jobs/{id}/images/{n}: a picture as a file, in the format the client prefers."""
    held = services(request)
    found = await look_up(held, request.path_params["id"], seen_by(request))
    number = request.path_params["n"]
    if isinstance(found, Entry) or number >= found.pictures:
        raise ApiError(404, "Picture not found")
    picture = (await answer_of(held, found)).pictures[number]
    media = chosen(request.headers.get("accept"), offers(picture))
    if media is None:
        raise ApiError(406, f"Pictures come as {', '.join(PICTURES)}")
    return await picture_reply(held, picture, media)


async def delete(request: Request) -> Response:
    """DELETE /sdapi/v1/jobs/{id}: cancel a job that has not ended; forget one that has."""
    held, owner = services(request), seen_by(request)
    found = await look_up(held, request.path_params["id"], owner)
    if isinstance(found, Entry):
        held.jobs.withdraw(found)
        await asyncio.wait({found.task}, timeout=CANCEL_SECONDS)
        if not found.task.done() or found.row is None:
            return json_reply(_cancelled(held, found))
        found = await look_up(held, request.path_params["id"], owner)
        return json_reply(status_of(held, found))
    row, status = found.row, status_of(held, found)
    await held.jobs.stored(lambda store: store.delete(row))
    return json_reply(status)


def _cancelled(held: Services, entry: Entry) -> Any:
    """A job that is on its way to its end, or has reached it and is not stored."""
    status = status_of(held, entry)
    error = entry.task.exception() if entry.task.done() else None
    if not isinstance(error, SdapiError):
        return status
    return msgspec.structs.replace(
        status, state=entry.job.state.value, status=error.status, error=error.body(), position=None
    )


def _number(request: Request, name: str, most: int) -> int | None:
    """A whole number from 1 in the query."""
    text = request.query_params.get(name)
    if text is None:
        return None
    if not text.isdecimal() or not 1 <= int(text[:20]) <= most:
        raise _unfit(name, f"ensure this value is between 1 and {most}")
    return int(text)


def _unfit(name: str, message: str) -> InvalidRequest:
    return InvalidRequest([Problem(("query", name), message, "value_error")])
