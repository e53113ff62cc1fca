"""The upscaling step of the extras routes."""

from __future__ import annotations

import math
from http import HTTPStatus

import msgspec
from PIL import Image

from sdapi_compat.errors import ApiError
from sdapi_compat.imaging.upscalers import NONE, Upscaler, UpscalerList, upscale

BY_FACTOR, TO_SIZE = 0, 1


class ExtrasUpscale(msgspec.Struct, frozen=True):
    """The upscaling fields of an extras request, and the largest picture the server will make (in pixels)."""

    resize_mode: int = BY_FACTOR
    factor: float = 2
    width: int = 512
    height: int = 512
    crop: bool = True
    upscaler_1: str | None = NONE.name
    upscaler_2: str | None = NONE.name
    upscaler_2_visibility: float = 0
    max_pixels: int = 16384 * 16384


class Upscaled(msgspec.Struct, frozen=True):
    """The picture and the "Postprocess ..." entries of its info text, in order."""

    image: Image.Image
    info: dict[str, str | float]


def apply(image: Image.Image, request: ExtrasUpscale, upscalers: UpscalerList) -> Upscaled:
    """Upscale one picture.

    A1111 1.10.1 behaviour: with no first upscaler nothing happens at all; a picture that is neither RGB nor
    RGBA becomes RGB; the second upscaler's result is blended over the first's by its visibility. Raises
    Fault AssertionError for an unknown upscaler, ApiError 413 for a result over `max_pixels`.
    """
    picture = image if image.mode in ("RGB", "RGBA") else image.convert("RGB")
    first = _chosen(request.upscaler_1, upscalers)
    if first is None:
        return Upscaled(picture, {})
    second = _chosen(request.upscaler_2, upscalers)
    _check_size(picture, request)
    result = _run(picture, first, request)
    info = {**_size_info(request), "Postprocess upscaler": first.name}
    if second is not None and request.upscaler_2_visibility > 0:
        other = _run(picture, second, request)
        result = Image.blend(result, other.convert(result.mode), request.upscaler_2_visibility)
        info["Postprocess upscaler 2"] = second.name
    return Upscaled(result, info)


def _chosen(name: str | None, upscalers: UpscalerList) -> Upscaler | None:
    return None if name in (None, NONE.name) else upscalers.require(str(name), "AssertionError")


def _factor(image: Image.Image, request: ExtrasUpscale) -> float:
    if request.resize_mode == TO_SIZE:
        return max(request.width / image.width, request.height / image.height)
    return request.factor


def _check_size(image: Image.Image, request: ExtrasUpscale) -> None:
    endless = request.resize_mode == TO_SIZE and max(request.width, request.height) > request.max_pixels
    if endless or _factor(image, request) > math.sqrt(request.max_pixels / (image.width * image.height)):
        raise ApiError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"Image too large: results of more than {request.max_pixels} pixels are not made",
        )


def _run(image: Image.Image, upscaler: Upscaler, request: ExtrasUpscale) -> Image.Image:
    result = upscale(upscaler, image, _factor(image, request))
    if request.resize_mode != TO_SIZE or not request.crop:
        return result
    canvas = Image.new("RGB", (request.width, request.height))
    corner = (request.width // 2 - result.width // 2, request.height // 2 - result.height // 2)
    canvas.paste(result, corner)
    return canvas


def _size_info(request: ExtrasUpscale) -> dict[str, str | float]:
    if request.resize_mode != TO_SIZE:
        return {"Postprocess upscale by": request.factor}
    size = f"{request.width}x{request.height}"
    info: dict[str, str | float] = {"Postprocess upscale to": size}
    if request.crop:
        info["Postprocess crop to"] = size
    return info
