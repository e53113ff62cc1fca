"""After a restart: what the process before this one has left undone goes into the queue again."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import msgspec

from sdapi_compat import logs
from sdapi_compat.engine.job import State, Withdrawn
from sdapi_compat.engine.loop import named
from sdapi_compat.engine.queue import ShuttingDown
from sdapi_compat.errors import ApiError, Fault, InvalidRequest
from sdapi_compat.routes.admission import Asked, Document, enter
from sdapi_compat.routes.intake import Aside
from sdapi_compat.routes.notices import notices
from sdapi_compat.routes.wishes import Wishes
from sdapi_compat.schema.img2img import StableDiffusionProcessingImg2Img
from sdapi_compat.schema.txt2img import StableDiffusionProcessingTxt2Img

if TYPE_CHECKING:
    from sdapi_compat.jobs.record import Record
    from sdapi_compat.routes.intake import GenerationRequest
    from sdapi_compat.routes.notices import Notices
    from sdapi_compat.services import Services

log = logging.getLogger(__name__)
#: How often a job is begun by processes that then die.
ATTEMPTS = 2
FULL_SECONDS = 0.5
KINDS: dict[str, type[GenerationRequest]] = {
    "txt2img": StableDiffusionProcessingTxt2Img,
    "img2img": StableDiffusionProcessingImg2Img,
}


async def recover(held: Services) -> None:
    """Admit all stored jobs that have no answer, in their order. Never raises."""
    try:
        await held.jobs.stored(lambda store: store.sweep())
        for record in await held.jobs.stored(lambda store: store.unfinished()) or ():
            if not await _recovered(held, record):
                return
    finally:
        held.jobs.recovered.set()


async def _recovered(held: Services, record: Record) -> bool:
    """One job. False when the server is stopping."""
    logs.set_job(record.id)
    try:
        await _enter(held, record)
    except ShuttingDown:
        return False
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one job ends that one only
        told = named(error)
        log.warning("the job is not done again: %s", told)
        state = State.CANCELLED if isinstance(error, Withdrawn) else State.FAILED
        await held.jobs.stored(lambda store: store.fail(record.row, state.value, told))
    return True


async def _enter(held: Services, record: Record) -> None:
    if record.attempts >= ATTEMPTS:
        raise Fault("RuntimeError", f"The server ended {record.attempts} times while this job ran")
    packed = await held.jobs.stored(lambda store: store.document(record.row))
    if packed is None:
        # Deleted or cancelled while others were on their way.
        return
    asked = await asyncio.to_thread(_asked, held, record, packed)
    if asked.wishes.cancel and not asked.wishes.respond_async:
        raise Withdrawn("The client was gone when the server ended")
    asked = msgspec.structs.replace(asked, aside=asked.aside._replace(told=_told(held, asked.request)))
    while True:
        try:
            await enter(held, asked, record)
        except ApiError as error:
            if error.status != 503 or isinstance(error, ShuttingDown):
                raise
            await asyncio.sleep(FULL_SECONDS)
        else:
            return


def _asked(held: Services, record: Record, packed: bytes) -> Asked:
    """The request as it was. msgspec errors where another version has stored it in another form."""
    document = msgspec.msgpack.decode(packed, type=Document)
    return Asked(
        request=msgspec.msgpack.decode(document.request, type=KINDS[record.kind]),
        given=document.given,
        aside=Aside(
            record.id,
            held.options.snapshot().with_stored(document.options),
            document.luck,
            document.fetched,
        ),
        wishes=msgspec.convert(document.wishes, Wishes),
        fingerprint=record.fingerprint,
    )


def _told(held: Services, request: GenerationRequest) -> Notices | None:
    loop = asyncio.get_running_loop()
    try:
        return notices(held.webhooks, loop, request.webhook, request.webhook_events)
    except InvalidRequest as error:
        log.warning("nobody is told of a job that is done again: %s", error)
        return None
