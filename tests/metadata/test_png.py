"""PNG files: right pixels, right chunks."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

import pytest
from PIL import Image

from sdapi_compat.metadata import png


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Chunks of a PNG file read by the book: PNG specification, third edition, section 5."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    position = 8
    while position < len(data):
        (length,) = struct.unpack_from(">I", data, position)
        kind = data[position + 4 : position + 8]
        payload = data[position + 8 : position + 8 + length]
        (checksum,) = struct.unpack_from(">I", data, position + 8 + length)
        assert checksum == zlib.crc32(kind + payload)
        yield kind, payload
        position += 12 + length


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("level", [None, 0, 1, 9])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1", "LA", "I;16"])
def test_pixels_survive(picture: Image.Image, mode: str, level: int | None) -> None:
    image = picture.convert("L" if mode == "I;16" else "RGB").convert(mode)
    if mode == "RGBA":
        image.putalpha(picture.getchannel("G"))
    found = opened(png.encode(image, {}, level))
    assert (found.mode, found.size) == (mode, image.size)
    assert found.tobytes() == image.tobytes()


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (300, 2)])
def test_small_and_narrow_pictures(size: tuple[int, int]) -> None:
    image = Image.effect_noise(size, 90).convert("RGB")
    assert opened(png.encode(image, {})).tobytes() == image.tobytes()


def test_the_fast_way_is_taken_unless_a_level_is_asked_for(picture: Image.Image) -> None:
    def filters(data: bytes) -> set[int]:
        rows = zlib.decompress(b"".join(payload for kind, payload in chunks(data) if kind == b"IDAT"))
        return set(rows[:: 37 * 3 + 1])

    assert filters(png.encode(picture, {})) == {2}
    assert filters(png.encode(picture, {}, 6)) != {2}


def test_a_flat_picture_is_small() -> None:
    assert len(png.encode(Image.new("RGB", (512, 512), (200, 10, 10)), {})) < 6000


def test_a_picture_with_detail_is_hardly_larger_than_pillows() -> None:
    """The bar: 1.3 times Pillow's default."""
    levels = [
        Image.effect_noise((side, side), 100).resize((256, 256), Image.BICUBIC) for side in (4, 16, 64, 200)
    ]
    detailed = Image.blend(
        Image.blend(levels[0], levels[1], 0.4), Image.blend(levels[2], levels[3], 0.4), 0.3
    )
    picture = Image.merge("RGB", [detailed, detailed.rotate(90), detailed.rotate(180)])
    assert len(png.encode(picture, {})) < 1.3 * len(png.encode(picture, {}, 6))


def test_text_chunks_stand_between_header_and_pixels(picture: Image.Image) -> None:
    texts = {"parameters": "größe: 3\nline", "more": "模型 😀"}
    kinds = [kind for kind, _ in chunks(png.encode(picture, texts))]
    assert kinds == [b"IHDR", b"tEXt", b"iTXt", b"IDAT", b"IEND"]
    payloads = [payload for _, payload in chunks(png.encode(picture, texts))]
    assert payloads[1] == b"parameters\0gr\xf6\xdfe: 3\nline"
    assert payloads[2] == b"more\0\0\0\0\0" + "模型 😀".encode()


@pytest.mark.parametrize("level", [None, 6])
def test_texts_keep_their_order(picture: Image.Image, level: int | None) -> None:
    texts = {"parameters": "a", "extras": "b, c", "post processing": "é", "Größe": "d"}
    assert opened(png.encode(picture, texts, level)).info == texts


@pytest.mark.parametrize("key", ["", "x" * 80, "模型", "nul\0"])
def test_keys_that_png_cannot_hold_are_left_out(picture: Image.Image, key: str) -> None:
    assert opened(png.encode(picture, {key: "a", "x" * 79: "b"})).info == {"x" * 79: "b"}


def test_a_colour_profile_is_kept(picture: Image.Image) -> None:
    image = picture.copy()
    image.info["icc_profile"] = b"a profile"
    found = opened(png.encode(image, {"parameters": "a"}))
    assert (found.info["icc_profile"], found.info["parameters"]) == (b"a profile", "a")
    assert found.tobytes() == picture.tobytes()
