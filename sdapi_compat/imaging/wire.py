"""Image strings of the API -> pictures, and `Pixels`, the form in which a picture travels inside a Plan.

Everything a client sends is hostile until proven otherwise: the length is checked before base64 is decoded,
the size in the file header before any pixel is, only the formats of `FORMATS` are tried (by content, never
by the media type the client claims), and all pixels are loaded here, so that no later stage meets a broken
file.
"""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

import msgspec
import numpy as np
from PIL import Image, ImageOps

from sdapi_compat.errors import ApiError

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "AVIF", "TIFF")

NO_IMAGE = "Invalid encoded image"

# What Pillow's readers let through on corrupt files: each reader fails in its own way.
_UNREADABLE = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
    UserWarning,  # of damaged metadata, where warnings are made errors
    struct.error,
    zlib.error,
)
_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)


class ImageLimits(msgspec.Struct, frozen=True):
    """The largest picture accepted: pixels (width x height) and bytes of the encoded file."""

    max_pixels: int = 8192 * 8192
    max_bytes: int = 128 * 1024 * 1024


DEFAULT_LIMITS = ImageLimits()
Fetched = Mapping[str, bytes]
"""Encoded files by their URLs, fetched before anything is decoded."""
NOTHING_FETCHED: Fetched = MappingProxyType({})


class Pixels(msgspec.Struct, frozen=True):
    """A picture as plain data: mode "L", "RGB" or "RGBA", size (width, height), rows of bytes top to
    bottom.
    """

    mode: str
    size: tuple[int, int]
    data: bytes

    @classmethod
    def from_pil(cls, image: Image.Image) -> Pixels:
        """A picture of any other mode becomes RGB, dropping what alpha it has (A1111 1.10.1 behaviour)."""
        kept = image if image.mode in ("L", "RGB", "RGBA") else image.convert("RGB")
        return cls(kept.mode, kept.size, kept.tobytes())

    def to_pil(self) -> Image.Image:
        """A picture of its own: changing it leaves these pixels alone."""
        return Image.frombytes(self.mode, self.size, self.data)


def decode(
    text: str, limits: ImageLimits = DEFAULT_LIMITS, fetched: Fetched = NOTHING_FETCHED
) -> Image.Image:
    """The first frame of an image string: raw base64, a data URI or a URL of `fetched`, whitespace tolerated.

    A1111 1.10.1 behaviour: EXIF orientation is applied; an RGB or palette picture with a transparency table
    becomes RGBA. The text metadata stays in `.info`. Raises ApiError 500 "Invalid encoded image" or "Invalid
    image url", 500 "Requests not allowed" for a URL that was not fetched, 413 beyond the limits.
    """
    text = text.strip()
    if is_url(text):
        return _open(_fetched_bytes(text, fetched), limits, "Invalid image url")
    return open_image(_encoded_bytes(text, limits), limits)


def is_url(text: str) -> bool:
    """Whether an image string names a picture instead of holding it."""
    return text[:8].lower().startswith(("http://", "https://"))


def open_image(data: bytes, limits: ImageLimits = DEFAULT_LIMITS) -> Image.Image:
    """The first frame of an encoded file, fully loaded and detached from it. Raises as `decode`."""
    return _open(data, limits, NO_IMAGE)


def _open(data: bytes, limits: ImageLimits, complaint: str) -> Image.Image:
    try:
        return _read(data, limits)
    except _BOMB:
        raise _too_large(f"of more than {limits.max_pixels} pixels") from None
    except _UNREADABLE:
        raise _refusal(complaint) from None


def _fetched_bytes(url: str, fetched: Fetched) -> bytes:
    if url not in fetched:
        raise _refusal("Requests not allowed")
    return fetched[url]


def _encoded_bytes(text: str, limits: ImageLimits) -> bytes:
    body = text.partition(",")[2] if text[:5].lower() == "data:" else text
    if len(body) * 3 // 4 > limits.max_bytes:
        raise _too_large(f"of more than {limits.max_bytes} bytes")
    try:
        return base64.b64decode(body)
    except ValueError:
        raise _refusal(NO_IMAGE) from None


def _read(data: bytes, limits: ImageLimits) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=FORMATS) as file:
        if file.width * file.height > limits.max_pixels:
            raise _too_large(f"of more than {limits.max_pixels} pixels")
        file.load()
        image = ImageOps.exif_transpose(file)
    if image.mode.startswith("I;16"):
        return _eight_bits(image)
    if image.mode in ("RGB", "P") and isinstance(image.info.get("transparency"), bytes):
        return image.convert("RGBA")
    return image


def _eight_bits(image: Image.Image) -> Image.Image:
    # Pillow's own conversion clips at 255, which turns nearly every 16-bit picture white.
    small = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    small.info = dict(image.info)
    return small


def _refusal(complaint: str) -> ApiError:
    return ApiError(HTTPStatus.INTERNAL_SERVER_ERROR, complaint)


def _too_large(how: str) -> ApiError:
    return ApiError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"Image too large: pictures {how} are not accepted")
