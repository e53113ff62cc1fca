"""One picture as a reply: the file itself, in the format the client prefers."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING

from PIL import Image
from starlette.responses import Response

from sdapi_compat.errors import ApiError
from sdapi_compat.metadata import images
from sdapi_compat.routes.media import MEDIA_TYPES, PICTURES, chosen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sdapi_compat.jobs.record import Encoded
    from sdapi_compat.routes.intake import GenerationRequest
    from sdapi_compat.services import Services

JSON = "application/json"


def preferred(accept: str | None) -> str | None:
    """The media type of pictures that a client prefers to the JSON reply; None for those that do not."""
    media = chosen(accept, [JSON, *PICTURES])
    return None if media == JSON else media


def check_single(request: GenerationRequest, media: str | None) -> None:
    """ApiError 406 for several pictures where the client takes only one, as `media`."""
    listed = len(request.prompt) if isinstance(request.prompt, list) else 1
    count = (request.batch_size or 1) * (request.n_iter or 1) * listed
    if media is not None and count > 1:
        raise ApiError(406, f"As {media} there is one picture, and this request makes {count}; take {JSON}")


def offers(picture: Encoded) -> list[str]:
    """The media types it can be had as, first the one it has."""
    return list(dict.fromkeys((MEDIA_TYPES[picture.format], *PICTURES)))


async def picture_reply(
    held: Services, picture: Encoded, media: str, headers: Mapping[str, str] | None = None
) -> Response:
    """The picture as `media`, with its infotext."""
    data = picture.data
    if media != MEDIA_TYPES[picture.format]:
        quality = held.options.snapshot().integer("jpeg_quality")
        data = await asyncio.to_thread(_converted, picture, PICTURES[media], quality)
    return Response(data, media_type=media, headers={"Vary": "Accept", **(headers or {})})


def _converted(picture: Encoded, form: str, quality: int) -> bytes:
    with Image.open(io.BytesIO(picture.data)) as opened:
        infotext = images.read(opened).info
        return images.encode(opened, images.ImageSpec(format=form, quality=quality), infotext or None, {})
