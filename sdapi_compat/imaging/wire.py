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
from http import HTTPStatus

import msgspec
import numpy as np
from PIL import Image, ImageOps

from sdapi_compat.errors import ApiError

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "AVIF", "TIFF")

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


def decode(text: str, limits: ImageLimits = DEFAULT_LIMITS) -> Image.Image:
    """The first frame of an image string: raw base64 or a data URI, whitespace tolerated.

    A1111 1.10.1 behaviour: EXIF orientation is applied; an RGB or palette picture with a transparency table
    becomes RGBA. The text metadata stays in `.info`. Raises ApiError 500 "Invalid encoded image", 500
    "Requests not allowed" for a URL, 413 beyond the limits.
    """
    return open_image(_encoded_bytes(text.strip(), limits), limits)


def open_image(data: bytes, limits: ImageLimits = DEFAULT_LIMITS) -> Image.Image:
    """The first frame of an encoded file, fully loaded and detached from it. Raises as `decode`."""
    try:
        return _read(data, limits)
    except _BOMB:
        raise _too_large(f"of more than {limits.max_pixels} pixels") from None
    except _UNREADABLE:
        raise _invalid() from None


def _encoded_bytes(text: str, limits: ImageLimits) -> bytes:
    if text[:8].lower().startswith(("http://", "https://")):
        raise ApiError(HTTPStatus.INTERNAL_SERVER_ERROR, "Requests not allowed")
    body = text.partition(",")[2] if text[:5].lower() == "data:" else text
    if len(body) * 3 // 4 > limits.max_bytes:
        raise _too_large(f"of more than {limits.max_bytes} bytes")
    try:
        return base64.b64decode(body)
    except ValueError:
        raise _invalid() from None


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


def _invalid() -> ApiError:
    return ApiError(HTTPStatus.INTERNAL_SERVER_ERROR, "Invalid encoded image")


def _too_large(how: str) -> ApiError:
    return ApiError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"Image too large: pictures {how} are not accepted")
