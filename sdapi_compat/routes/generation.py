"""txt2img, img2img and png-info."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING

import msgspec

from sdapi_compat.imaging import wire
from sdapi_compat.metadata import images
from sdapi_compat.routes.intake import admit
from sdapi_compat.routes.reply import json_reply
from sdapi_compat.routes.state import services
from sdapi_compat.sampling.table import SAMPLERS
from sdapi_compat.schema.coerce import decode
from sdapi_compat.schema.extras import PNGInfoRequest, PNGInfoResponse
from sdapi_compat.schema.generation import ImageToImageResponse, TextToImageResponse
from sdapi_compat.schema.img2img import StableDiffusionProcessingImg2Img
from sdapi_compat.schema.txt2img import StableDiffusionProcessingTxt2Img

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from sdapi_compat.engine.job import Outcome
    from sdapi_compat.metadata.images import ImageSpec
    from sdapi_compat.routes.intake import GenerationRequest

IGNORED_FIELDS = "X-Sdapi-Ignored-Fields"
TASK_ID = "X-Sdapi-Task-Id"
LONGEST_HEADER = 256
NOVELAI_SAMPLERS = {alias: spec.name for spec in SAMPLERS for alias in spec.aliases}


async def txt2img(request: Request) -> Response:
    """POST /sdapi/v1/txt2img."""
    return await _generate(request, StableDiffusionProcessingTxt2Img, TextToImageResponse)


async def img2img(request: Request) -> Response:
    """POST /sdapi/v1/img2img, inpainting included."""
    return await _generate(request, StableDiffusionProcessingImg2Img, ImageToImageResponse)


async def _generate(
    request: Request,
    kind: type[StableDiffusionProcessingTxt2Img] | type[StableDiffusionProcessingImg2Img],
    shape: type[TextToImageResponse] | type[ImageToImageResponse],
) -> Response:
    decoded = decode(kind, await request.body(), request.headers.get("content-type"))
    admitted = await asyncio.to_thread(admit, services(request), decoded.value, decoded.given)
    outcome = await asyncio.wrap_future(admitted.job.reply)
    sent: list[str] = []
    if admitted.request.send_images:
        sent = await asyncio.to_thread(_encode, outcome, admitted.spec)
    info = msgspec.json.encode(outcome.info).decode()
    headers = {TASK_ID: header_text(admitted.job.id)}
    if decoded.ignored:
        headers[IGNORED_FIELDS] = ", ".join(decoded.ignored)
    return json_reply(shape(sent, echo(admitted.request), info), headers=headers)


def header_text(text: str) -> str:
    """`text` as an HTTP header can carry it: printable ASCII, of bounded length."""
    return "".join(
        character if " " <= character <= "~" else "?" for character in text[:LONGEST_HEADER]
    ).strip()


def _encode(outcome: Outcome, spec: ImageSpec) -> list[str]:
    return [
        base64.b64encode(images.encode(picture.image, spec, picture.infotext, {})).decode()
        for picture in outcome.pictures
    ]


def echo(request: GenerationRequest) -> dict[str, object]:
    """The reply's `parameters`: the request with defaults, without the pictures unless asked for."""
    fields = msgspec.structs.asdict(request)
    if isinstance(request, StableDiffusionProcessingImg2Img) and not request.include_init_images:
        fields |= {"init_images": None, "mask": None}
    return fields


async def png_info(request: Request) -> Response:
    """POST /sdapi/v1/png-info: the infotext in a picture, and what it means."""
    asked = decode(PNGInfoRequest, await request.body(), request.headers.get("content-type")).value
    held = services(request)

    def read() -> PNGInfoResponse:
        found = images.read(wire.decode(asked.image, held.limits.pictures), NOVELAI_SAMPLERS)
        return PNGInfoResponse(
            found.info, found.items, held.read_infotext(found.info, held.options.snapshot())
        )

    return json_reply(await asyncio.to_thread(read))
