"""txt2img, img2img and png-info."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

from sdapi_compat.imaging import wire
from sdapi_compat.jobs.keeper import Entry
from sdapi_compat.metadata import images
from sdapi_compat.routes.admission import Asked, enter, known, new_aside
from sdapi_compat.routes.notices import notices
from sdapi_compat.routes.picture import check_single, picture_reply, preferred
from sdapi_compat.routes.reply import json_reply
from sdapi_compat.routes.standing import answer_of, location, reply_of
from sdapi_compat.routes.state import services
from sdapi_compat.routes.urls import fetch_pictures
from sdapi_compat.routes.waiting import result_of
from sdapi_compat.routes.wishes import wishes
from sdapi_compat.sampling.table import SAMPLERS
from sdapi_compat.schema.coerce import decode, header_names
from sdapi_compat.schema.extras import PNGInfoRequest, PNGInfoResponse
from sdapi_compat.schema.img2img import StableDiffusionProcessingImg2Img
from sdapi_compat.schema.jobs import Accepted
from sdapi_compat.schema.txt2img import StableDiffusionProcessingTxt2Img

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from sdapi_compat.jobs.record import Result
    from sdapi_compat.routes.intake import GenerationRequest
    from sdapi_compat.routes.wishes import Wishes
    from sdapi_compat.schema.coerce import Decoded
    from sdapi_compat.services import Services

IGNORED_FIELDS = "X-Sdapi-Ignored-Fields"
TASK_ID = "X-Sdapi-Task-Id"
LONGEST_HEADER = 256
NOVELAI_SAMPLERS = {alias: spec.name for spec in SAMPLERS for alias in spec.aliases}


async def txt2img(request: Request) -> Response:
    """POST /sdapi/v1/txt2img."""
    return await _generate(request, StableDiffusionProcessingTxt2Img)


async def img2img(request: Request) -> Response:
    """POST /sdapi/v1/img2img, inpainting included."""
    return await _generate(request, StableDiffusionProcessingImg2Img)


async def _generate(request: Request, kind: type[GenerationRequest]) -> Response:
    held, body = services(request), await request.body()
    decoded = decode(kind, body, request.headers.get("content-type"))
    wish, media = wishes(request, held.settings), preferred(request.headers.get("accept"))
    check_single(decoded.value, media)
    if wish.key is None:
        entry, ignored = await _new(held, decoded, wish)
    else:
        fingerprint = hashlib.sha256(kind.__name__.encode() + body).hexdigest()
        async with held.jobs.claim(wish.owner, wish.key):
            found = await known(held, wish.owner, wish.key, fingerprint)
            if found is None:
                entry, ignored = await _new(held, decoded, wish, fingerprint)
            elif isinstance(found, Entry):
                entry, ignored = found, ()
            else:
                result = await answer_of(held, found)
                return await _answer(held, found.id, result, media, decoded.ignored)
    ignored = decoded.ignored + header_names(ignored)
    later = wish.respond_async and entry.row is not None
    told = await result_of(
        request, held.jobs, entry, cancel=wish.cancel and not later, seconds=wish.wait if later else None
    )
    if told is None:
        return _accepted(held, entry, ignored)
    return await _answer(held, entry.job.id, told, media, ignored)


async def _new(
    held: Services, decoded: Decoded[GenerationRequest], wish: Wishes, fingerprint: str | None = None
) -> tuple[Entry, tuple[str, ...]]:
    """A new job, admitted, and what of its request was ignored."""
    asked = decoded.value
    told = notices(held.webhooks, asyncio.get_running_loop(), asked.webhook, asked.webhook_events)
    fetched = await fetch_pictures(held, pictures_of(asked))
    aside = new_aside(held, asked, fetched, told)
    return await enter(held, Asked(asked, decoded.given, aside, wish, fingerprint))


async def _answer(
    held: Services, job_id: str, result: Result, media: str | None, ignored: tuple[str, ...]
) -> Response:
    """The JSON reply, or the first picture where the client prefers that."""
    headers = _headers(job_id, ignored)
    if media is None or not (result.sent and result.pictures):
        return json_reply(reply_of(held, job_id, result), headers=headers)
    return await picture_reply(held, result.pictures[0], media, headers)


def _accepted(held: Services, entry: Entry, ignored: tuple[str, ...]) -> Response:
    where = location(held, entry.job.id)
    headers = {"Location": where, "Preference-Applied": "respond-async", **_headers(entry.job.id, ignored)}
    return json_reply(Accepted(entry.job.id, entry.state.value, where), 202, headers)


def _headers(job_id: str, ignored: tuple[str, ...]) -> dict[str, str]:
    headers = {TASK_ID: header_text(job_id)}
    if ignored:
        headers[IGNORED_FIELDS] = ", ".join(ignored)
    return headers


def header_text(text: str) -> str:
    """`text` as an HTTP header can carry it: printable ASCII, of bounded length."""
    return "".join(
        character if " " <= character <= "~" else "?" for character in text[:LONGEST_HEADER]
    ).strip()


def pictures_of(request: GenerationRequest) -> list[object]:
    """The image strings of a request, before anything is known about them."""
    if not isinstance(request, StableDiffusionProcessingImg2Img):
        return []
    return [*(request.init_images or ()), request.mask]


async def png_info(request: Request) -> Response:
    """POST /sdapi/v1/png-info: the infotext in a picture, and what it means."""
    asked = decode(PNGInfoRequest, await request.body(), request.headers.get("content-type")).value
    held = services(request)
    fetched = await fetch_pictures(held, [asked.image])

    def read() -> PNGInfoResponse:
        found = images.read(wire.decode(asked.image, held.limits.pictures, fetched), NOVELAI_SAMPLERS)
        return PNGInfoResponse(
            found.info, found.items, held.read_infotext(found.info, held.options.snapshot())
        )

    return json_reply(await asyncio.to_thread(read))
