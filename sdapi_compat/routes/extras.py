"""Enlarging finished pictures: extra-single-image and extra-batch-images."""

from __future__ import annotations

import asyncio
import base64
import html
from typing import TYPE_CHECKING, NamedTuple

from sdapi_compat.errors import ApiError
from sdapi_compat.imaging import extras, wire
from sdapi_compat.imaging.extras import ExtrasUpscale
from sdapi_compat.imaging.upscalers import UpscalerList
from sdapi_compat.metadata import images
from sdapi_compat.metadata import infotext as infotexts
from sdapi_compat.routes.reply import json_reply
from sdapi_compat.routes.state import services
from sdapi_compat.routes.urls import fetch_pictures
from sdapi_compat.schema.coerce import decode
from sdapi_compat.schema.extras import (
    ExtrasBatchImagesRequest,
    ExtrasBatchImagesResponse,
    ExtrasSingleImageRequest,
    ExtrasSingleImageResponse,
)

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from sdapi_compat.imaging.wire import Fetched
    from sdapi_compat.schema.extras import ExtrasRequest
    from sdapi_compat.services import Services


class Enlarged(NamedTuple):
    """A result encoded as base64, and what was done, as infotext pairs."""

    image: str
    info: str


async def single(request: Request) -> Response:
    """POST /sdapi/v1/extra-single-image."""
    body = decode(ExtrasSingleImageRequest, await request.body(), request.headers.get("content-type")).value
    held = services(request)
    loop = asyncio.get_running_loop()
    fetched = await fetch_pictures(held, [body.image])
    done = await loop.run_in_executor(held.workbench, _enlarge, held, body, body.image, fetched)
    return json_reply(ExtrasSingleImageResponse(_paragraph(done.info), done.image))


async def batch(request: Request) -> Response:
    """POST /sdapi/v1/extra-batch-images."""
    body = decode(ExtrasBatchImagesRequest, await request.body(), request.headers.get("content-type")).value
    held = services(request)
    fetched = await fetch_pictures(held, [file.data for file in body.imageList])

    def work() -> list[Enlarged]:
        return [_enlarge(held, body, file.data, fetched) for file in body.imageList]

    done = await asyncio.get_running_loop().run_in_executor(held.workbench, work)
    info = done[-1].info if done else ""
    return json_reply(ExtrasBatchImagesResponse(_paragraph(info), [one.image for one in done]))


def _enlarge(held: Services, body: ExtrasRequest, encoded: str, fetched: Fetched) -> Enlarged:
    if body.gfpgan_visibility > 0 or body.codeformer_visibility > 0:
        raise ApiError(501, "face restoration is not built yet")
    picture = wire.decode(encoded, held.limits.pictures, fetched)
    before = images.read(picture)
    done = extras.apply(picture, _wish(body, held.settings.max_pixels), UpscalerList())
    info = infotexts.write("", "", done.info)
    snapshot = held.options.snapshot()
    spec = images.ImageSpec(format=snapshot.text("samples_format"), quality=snapshot.integer("jpeg_quality"))
    if not snapshot.flag("enable_pnginfo"):
        return Enlarged(_base64(images.encode(done.image, spec, None, {})), info)
    texts = before.texts | {"postprocessing": info}
    return Enlarged(_base64(images.encode(done.image, spec, before.info or None, texts)), info)


def _wish(body: ExtrasRequest, max_pixels: int) -> ExtrasUpscale:
    return ExtrasUpscale(
        resize_mode=body.resize_mode,
        factor=body.upscaling_resize,
        width=body.upscaling_resize_w,
        height=body.upscaling_resize_h,
        crop=body.upscaling_crop,
        upscaler_1=body.upscaler_1,
        upscaler_2=body.upscaler_2,
        upscaler_2_visibility=body.extras_upscaler_2_visibility,
        max_pixels=max_pixels,
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _paragraph(info: str) -> str:
    return f"<p>{html.escape(info)}</p>"
