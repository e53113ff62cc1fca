from __future__ import annotations

import base64
import binascii
import io
import struct
import zlib
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from sdapi_compat.errors import ApiError
from sdapi_compat.imaging import wire
from sdapi_compat.imaging.wire import ImageLimits, Pixels


def refusal(text: str, limits: ImageLimits = wire.DEFAULT_LIMITS) -> tuple[int, str]:
    with pytest.raises(ApiError) as caught:
        wire.decode(text, limits)
    return caught.value.status, caught.value.detail


INVALID = (500, "Invalid encoded image")


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", binascii.crc32(name + data))


def png_claiming(width: int, height: int) -> str:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + body).decode()


@pytest.mark.parametrize("file_format", ["PNG", "GIF", "BMP", "TIFF"])
def test_lossless_formats_come_back_exactly(file_format: Any, noise: Any, encoded: Any) -> None:
    picture = noise(7, 5, "L")
    assert wire.decode(encoded(picture, file_format)).convert("L").tobytes() == picture.tobytes()


@pytest.mark.parametrize("file_format", ["JPEG", "WEBP", "AVIF"])
def test_lossy_formats_come_back_nearly(file_format: Any, encoded: Any, levels: Any) -> None:
    picture = Image.new("RGB", (16, 16), (200, 100, 50))
    back = wire.decode(encoded(picture, file_format, quality=95))
    assert back.size == (16, 16)
    assert abs(levels(back.convert("RGB")) - levels(picture)).max() <= 6


@pytest.mark.parametrize(
    "dress",
    [
        lambda text: text,
        lambda text: f"data:image/png;base64,{text}",
        lambda text: f"data:image/jpeg;base64,{text}",
        lambda text: f"data:image/png;charset=utf-8;base64,{text}",
        lambda text: f"DATA:image/png;base64,{text}",
        lambda text: f"  \n{text}\n",
        lambda text: "\r\n".join(text[i : i + 76] for i in range(0, len(text), 76)),
        lambda text: f"data:image/png;base64,\n {text[:50]}\t{text[50:]} ",
    ],
    ids=[
        "raw",
        "data uri",
        "wrong media type",
        "charset",
        "upper case",
        "padded",
        "mime lines",
        "spaces inside",
    ],
)
def test_ways_to_write_one_image(dress: Any, noise: Any, encoded: Any) -> None:
    picture = noise(9, 4)
    assert wire.decode(dress(encoded(picture))).tobytes() == picture.tobytes()


@pytest.mark.parametrize(
    "text", ["http://example.org/a.png", "https://example.org/a.png", "HTTP://x/y", " https://x"]
)
def test_urls_are_refused(text: Any) -> None:
    assert refusal(text) == (500, "Requests not allowed")


def test_urls_that_were_fetched_are_read(noise: Any, encoded: Any) -> None:
    picture = noise(16, 16)
    fetched = {"https://example.org/a.png": base64.b64decode(encoded(picture))}
    assert wire.decode(" https://example.org/a.png\n", fetched=fetched).tobytes() == picture.tobytes()
    with pytest.raises(ApiError, match="Requests not allowed"):
        wire.decode("https://example.org/b.png", fetched=fetched)
    assert not wire.is_url(encoded(picture))


@pytest.mark.parametrize("data", [b"", b"<html>", b"GIF89a", b"\x89PNG\r\n\x1a\n"])
def test_what_was_fetched_and_is_no_image(data: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        wire.decode("http://x/", fetched={"http://x/": data})
    assert (caught.value.status, caught.value.detail) == (500, "Invalid image url")


def test_what_was_fetched_has_the_same_limits() -> None:
    with pytest.raises(ApiError) as caught:
        wire.decode("http://x/", fetched={"http://x/": base64.b64decode(png_claiming(60000, 60000))})
    assert caught.value.status == 413


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "%%%",
        "garbage",
        "aGVsbG8gd29ybGQ=",
        "data:image/png;base64,",
        "data:image/png",
        "abc",
        "ß" * 40,
    ],
)
def test_what_is_no_image_is_invalid(text: Any) -> None:
    assert refusal(text) == INVALID


def test_truncated_file_is_invalid(noise: Any, encoded: Any) -> None:
    data = base64.b64decode(encoded(noise(64, 64)))
    for length in (8, 33, 60, len(data) // 2, len(data) - 200):
        assert refusal(base64.b64encode(data[:length]).decode()) == INVALID


@pytest.mark.parametrize("file_format", ["PPM", "TGA", "ICO", "PCX", "SGI", "JPEG2000"])
def test_formats_off_the_list_are_invalid(file_format: Any, noise: Any, encoded: Any) -> None:
    assert refusal(encoded(noise(16, 16), file_format)) == INVALID


def test_size_in_the_header_is_checked_before_pixels() -> None:
    status, detail = refusal(png_claiming(60000, 60000))
    assert status == 413
    assert "67108864 pixels" in detail


def test_pillows_own_bomb_check_is_a_refusal_too() -> None:
    assert refusal(png_claiming(60000, 60000), ImageLimits(max_pixels=10**12))[0] == 413


def test_pixel_limit_is_inclusive(noise: Any, encoded: Any) -> None:
    text = encoded(noise(8, 8))
    assert wire.decode(text, ImageLimits(max_pixels=64)).size == (8, 8)
    assert refusal(text, ImageLimits(max_pixels=63))[0] == 413


def test_length_is_checked_before_base64() -> None:
    status, detail = refusal("!" * 2000, ImageLimits(max_bytes=1000))
    assert (status, "1000 bytes" in detail) == (413, True)


def test_byte_limit_is_of_the_decoded_file(noise: Any, encoded: Any) -> None:
    text = encoded(noise(16, 16))
    size = len(base64.b64decode(text))
    assert wire.decode(text, ImageLimits(max_bytes=size + 2)).size == (16, 16)
    assert refusal(text, ImageLimits(max_bytes=size - 3))[0] == 413


def test_text_chunk_bomb_is_invalid(noise: Any, encoded: Any) -> None:
    bomb = chunk(b"zTXt", b"parameters\0\0" + zlib.compress(b"x" * (80 * 1024 * 1024), 9))
    data = base64.b64decode(encoded(noise(4, 4)))
    assert refusal(base64.b64encode(data[:33] + bomb + data[33:]).decode()) == INVALID


@pytest.mark.parametrize(
    ("orientation", "operation"),
    [
        (1, None),
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
        (3, Image.Transpose.ROTATE_180),
        (6, Image.Transpose.ROTATE_270),
        (8, Image.Transpose.ROTATE_90),
    ],
)
def test_exif_orientation_is_applied(orientation: Any, operation: Any, noise: Any, encoded: Any) -> None:
    picture, exif = noise(6, 3), Image.Exif()
    exif[0x0112] = orientation
    expected = picture if operation is None else picture.transpose(operation)
    back = wire.decode(encoded(picture, "PNG", exif=exif))
    assert (back.size, back.tobytes()) == (expected.size, expected.tobytes())


def test_animated_gif_gives_its_first_frame(noise: Any, encoded: Any) -> None:
    first, second = (Image.new("RGB", (5, 5), colour) for colour in ("red", "blue"))
    back = wire.decode(encoded(first, "GIF", save_all=True, append_images=[second]))
    assert back.convert("RGB").getpixel((2, 2)) == (255, 0, 0)


def test_sixteen_bits_become_eight_without_clipping(encoded: Any) -> None:
    deep = Image.fromarray(np.array([[0, 257, 32768, 65535]], dtype=np.uint16))
    back = wire.decode(encoded(deep, "PNG"))
    assert (back.mode, list(back.tobytes())) == ("L", [0, 1, 127, 255])


def test_cmyk_jpeg_is_readable(noise: Any, encoded: Any) -> None:
    back = wire.decode(encoded(noise(16, 16, "CMYK"), "JPEG"))
    assert Pixels.from_pil(back).mode == "RGB"


def test_palette_with_a_transparency_table_becomes_rgba(encoded: Any) -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([255, 0, 0, 0, 255, 0])
    picture.putpixel((1, 0), 1)
    back = wire.decode(encoded(picture, "PNG", transparency=bytes([0, 200])))
    assert back.mode == "RGBA"
    assert [back.getpixel((x, 0)) for x in (0, 1)] == [(255, 0, 0, 0), (0, 255, 0, 200)]


def test_palette_with_one_transparent_index_stays(encoded: Any) -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([255, 0, 0, 0, 255, 0])
    back = wire.decode(encoded(picture, "GIF", transparency=0))
    assert back.mode == "P"
    assert Pixels.from_pil(back).mode == "RGB"


def test_text_metadata_survives(noise: Any, encoded: Any) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("parameters", "a cat\nSteps: 20")
    assert wire.decode(encoded(noise(3, 3), pnginfo=text)).info["parameters"] == "a cat\nSteps: 20"


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_exif_metadata_survives_but_for_the_orientation(
    file_format: Any, orientation: Any, noise: Any, encoded: Any
) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = orientation, "a cat"
    back = wire.decode(encoded(noise(8, 16), file_format, exif=exif)).getexif()
    assert (back[0x010E], back.get(0x0112, 1)) == ("a cat", 1)


def test_result_is_detached_from_the_file(noise: Any, encoded: Any) -> None:
    back = wire.decode(encoded(noise(3, 3)))
    assert type(back) is Image.Image
    back.putpixel((0, 0), (1, 2, 3))


def outcome(data: bytes) -> Image.Image | None:
    """The picture, or None if it was refused; any other exception fails the test."""
    try:
        return wire.open_image(data, ImageLimits(max_pixels=10**6))
    except ApiError:
        return None


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_are_refused_or_read(data: Any) -> None:
    outcome(data)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(wire.FORMATS),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6),
    st.floats(0.1, 1),
)
def test_damaged_files_are_refused_or_read(file_format: Any, damages: Any, kept: Any) -> None:
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 3
    Image.linear_gradient("L").resize((12, 12)).convert("RGB").save(buffer, file_format, exif=exif)
    data = bytearray(buffer.getvalue())
    for where, value in damages:
        data[min(len(data) - 1, int(where * len(data)))] = value
    picture = outcome(bytes(data[: max(1, int(kept * len(data)))]))
    assert picture is None or Pixels.from_pil(picture).to_pil().size == picture.size


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_pixels_carry_a_picture_through_json(mode: Any, noise: Any) -> None:
    picture = noise(5, 3, mode)
    carried = msgspec.json.decode(msgspec.json.encode(Pixels.from_pil(picture)), type=Pixels)
    back = carried.to_pil()
    assert (back.mode, back.size, back.tobytes()) == (mode, (5, 3), picture.tobytes())


@pytest.mark.parametrize("mode", ["1", "P", "LA", "CMYK", "YCbCr", "F", "I"])
def test_pixels_of_other_modes_become_rgb(mode: Any) -> None:
    pixels = Pixels.from_pil(Image.new(mode, (2, 2)))
    assert (pixels.mode, len(pixels.data)) == ("RGB", 12)


def test_pixels_are_not_changed_through_their_picture(noise: Any) -> None:
    pixels = Pixels.from_pil(noise(2, 2))
    before = pixels.data
    pixels.to_pil().putpixel((0, 0), (0, 0, 0))
    assert pixels.to_pil().tobytes() == before
