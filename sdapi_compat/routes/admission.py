"""Into the queue: a request becomes a job that is stored before it is admitted, now or after a restart."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from sdapi_compat import logs
from sdapi_compat.errors import InvalidRequest, Problem, SdapiError
from sdapi_compat.jobs.keeper import Entry
from sdapi_compat.jobs.record import Encoded, NewJob, Result
from sdapi_compat.metadata import images
from sdapi_compat.routes.echo import echo
from sdapi_compat.routes.intake import Aside, kind_of, new_task_id, prepare
from sdapi_compat.routes.standing import location

if TYPE_CHECKING:
    from sdapi_compat.engine.job import Outcome
    from sdapi_compat.imaging.wire import Fetched
    from sdapi_compat.jobs.record import Record
    from sdapi_compat.jobs.store import JobStore
    from sdapi_compat.routes.intake import Admitted, GenerationRequest
    from sdapi_compat.routes.notices import Notices
    from sdapi_compat.routes.wishes import Wishes
    from sdapi_compat.services import Services

log = logging.getLogger(__name__)
LUCK_BITS = 63


class Document(msgspec.Struct, frozen=True):
    """A request as it is stored: enough to make the same job of it again.

    `request` is its Struct in msgpack. `options`: what config.json held when it was admitted.
    """

    request: bytes
    given: frozenset[str]
    options: dict[str, Any]
    luck: int
    fetched: dict[str, bytes]
    wishes: dict[str, Any]


class Asked(msgspec.Struct, frozen=True):
    """A decoded request with everything that goes with it."""

    request: Any
    given: frozenset[str]
    aside: Aside
    wishes: Wishes
    fingerprint: str | None = None


def new_aside(held: Services, request: GenerationRequest, fetched: Fetched, told: Notices | None) -> Aside:
    """For a new request: the options are those of now, and its luck is drawn."""
    luck = secrets.randbits(LUCK_BITS)
    return Aside(new_task_id(request), held.options.snapshot(), luck, fetched, told)


async def enter(held: Services, new: Asked, record: Record | None = None) -> tuple[Entry, tuple[str, ...]]:
    """Store the job, admit it and follow it; gives what of the request was ignored, too.

    `record`: where it is stored already. Raises what the reply should say; then nothing more is stored.
    """
    logs.set_job(new.aside.task_id)
    created = time.time() if record is None else record.created
    admitted, row = await _admitted(held, new, created, record)
    entry = Entry(
        job=admitted.job,
        owner=new.wishes.owner,
        row=row,
        finish=partial(_finished, admitted, new.given),
        key=new.wishes.key,
        fingerprint=new.fingerprint,
        created=created,
        caller=new.wishes.caller,
    )
    held.jobs.follow(entry)
    event = {"event": "job_admitted", "kind": entry.job.kind, "caller": new.wishes.caller}
    log.info("%s admitted", entry.job.kind, extra=event)
    if new.aside.told is not None:
        new.aside.told.await_end(entry, location(held, entry.job.id))
    return entry, admitted.ignored


async def _admitted(
    held: Services, new: Asked, created: float, record: Record | None
) -> tuple[Admitted, int | None]:
    """Within the caller's share of the server."""
    caller, allowance = new.wishes.caller, held.jobs.allowance
    allowance.take(caller, again=record is not None)
    with ExitStack() as refused:
        refused.callback(allowance.give_back, caller)
        admitted = await asyncio.to_thread(_admit, held, new, created, record)
        refused.pop_all()
    return admitted


def _admit(held: Services, new: Asked, created: float, record: Record | None) -> tuple[Admitted, int | None]:
    admitted = prepare(held, new.request, new.given, new.aside)
    if record is not None:
        _submit(held, admitted, record.row)
        return admitted, record.row
    row = _stored(held.jobs.store, new, created)
    if row is None and new.request.response_format == "url":
        message = "pictures have no URLs here: this job is not kept"
        raise InvalidRequest([Problem(("body", "response_format"), message, "value_error")])
    try:
        _submit(held, admitted, row)
    except SdapiError:
        if row is not None and held.jobs.store is not None:
            held.jobs.store.delete(row)
        raise
    return admitted, row


def _stored(store: JobStore | None, new: Asked, created: float) -> int | None:
    if store is None:
        return None
    try:
        job = _new_job(new, created)
    except OverflowError:
        # A number that no format holds; the request is done all the same.
        return None
    return store.add(job)


def _submit(held: Services, admitted: Admitted, row: int | None) -> None:
    store = held.jobs.store
    if store is not None and row is not None:
        admitted.job.began.add_done_callback(lambda _: store.later(lambda: store.begin(row)))
    held.engine.submit(admitted.job)


def _new_job(new: Asked, created: float) -> NewJob:
    aside, wishes = new.aside, new.wishes
    document = Document(
        request=msgspec.msgpack.encode(new.request),
        given=new.given,
        options=dict(aside.options.stored),
        luck=aside.luck,
        fetched=dict(aside.fetched),
        wishes=msgspec.structs.asdict(wishes),
    )
    return NewJob(
        id=aside.task_id,
        owner=wishes.owner,
        kind=kind_of(new.request),
        created=created,
        document=msgspec.msgpack.encode(document),
        key=wishes.key,
        fingerprint=new.fingerprint,
    )


def _finished(admitted: Admitted, given: frozenset[str], outcome: Outcome) -> Result:
    """The outcome as it is kept: pictures encoded, the rest as in the reply."""
    spec = admitted.spec
    pictures = [
        Encoded(spec.pillow_format, images.encode(picture.image, spec, picture.infotext, {}))
        for picture in outcome.pictures
    ]
    return Result(
        pictures=pictures,
        parameters=msgspec.json.encode(echo(admitted.request, given)),
        info=msgspec.json.encode(outcome.info).decode(),
        sent=bool(admitted.request.send_images),
        linked=admitted.request.response_format == "url",
    )


async def known(held: Services, owner: str, key: str, fingerprint: str) -> Entry | Record | None:
    """The job that was made under the same key, alive or answered. Call it within `Keeper.claim`.

    Raises InvalidRequest when that job was made by another request.
    """
    found: Entry | Record | None = held.jobs.find_key(owner, key)
    if found is None:
        found = await held.jobs.stored(lambda store: store.find_key(owner, key))
        if found is not None and found.open:
            # Of the process before this one, and on its way into the queue.
            await held.jobs.recovered.wait()
            found = held.jobs.find_key(owner, key) or await held.jobs.stored(
                lambda store: store.find_key(owner, key)
            )
    if found is not None and found.fingerprint != fingerprint:
        message = "this key belongs to another request"
        raise InvalidRequest([Problem(("header", "Idempotency-Key"), message, "value_error")])
    return found
