"""Files that are broken, or made to do harm."""

from __future__ import annotations

import struct
import zlib

import pytest
from PIL import Image

from sdapi_compat.errors import ApiError
from sdapi_compat.metadata.images import ImageSpec, encode, read
from tests.metadata.files import FORMATS, opened


def png_with(picture: Image.Image, *chunks: tuple[bytes, bytes], after_pixels: bool) -> bytes:
    data = encode(picture, ImageSpec(), None, {})
    block = b"".join(
        struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))
        for kind, payload in chunks
    )
    place = data.index(b"IEND") - 4 if after_pixels else 33
    return data[:place] + block + data[place:]


def test_texts_after_the_pixels_are_read(picture: Image.Image) -> None:
    assert read(opened(png_with(picture, (b"tEXt", b"parameters\0late"), after_pixels=True))).info == "late"


def test_a_compressed_text_is_read(picture: Image.Image) -> None:
    chunk = (b"zTXt", b"parameters\0\0" + zlib.compress(b"small"))
    assert read(opened(png_with(picture, chunk, after_pixels=False))).info == "small"


@pytest.mark.parametrize("key", [b"zTXt", b"iTXt"])
def test_a_text_chunk_that_unpacks_to_a_gigabyte_is_refused(picture: Image.Image, key: bytes) -> None:
    head = b"parameters\0\0" if key == b"zTXt" else b"parameters\0\1\0\0\0"
    packer = zlib.compressobj(9)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    image = opened(png_with(picture, (key, head + bomb), after_pixels=True))
    with pytest.raises(ApiError) as caught:
        read(image)
    assert caught.value.body()["detail"] == "Invalid encoded image"


def test_many_texts_that_unpack_to_much_are_refused(picture: Image.Image) -> None:
    chunk = (b"zTXt", b"parameters\0\0" + zlib.compress(bytes(1_000_000)))
    with pytest.raises(ApiError):
        read(opened(png_with(picture, *([chunk] * 80), after_pixels=True)))


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_cut_short_is_refused(picture: Image.Image, name: str) -> None:
    image = Image.effect_noise((200, 200), 90).convert("RGB")
    data = encode(image, ImageSpec(format=name), None, {})
    with pytest.raises((ApiError, OSError)):
        read(opened(data[: len(data) // 2]))
