"""Image files of every format: what is written is read back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageStat

from sdapi_compat.errors import ApiError
from sdapi_compat.metadata.images import ImageInfo, ImageSpec, encode, read
from tests.metadata.files import FORMATS, LOSSY, TEXT, opened


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_written_is_read(picture: Image.Image, name: str) -> None:
    data = encode(picture, ImageSpec(format=name), TEXT, {})
    assert read(opened(data)).info == TEXT


# Any text at all: PNG stores it as it is, the others as UTF-16 in EXIF or UTF-8 in a GIF comment. Only the
# empty text is not told from none.
@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=25, deadline=None)
@given(text=st.text(min_size=1, max_size=300))
def test_any_text_survives(name: str, text: str) -> None:
    image = Image.new("RGB", (16, 16), (10, 200, 30))
    assert read(opened(encode(image, ImageSpec(format=name), text, {}))).info == text


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "1", "LA", "CMYK", "I;16"])
def test_every_mode_can_be_written(picture: Image.Image, name: str, mode: str) -> None:
    image = picture.convert("L" if mode == "I;16" else "RGB").convert(mode)
    found = opened(encode(image, ImageSpec(format=name), TEXT, {}))
    assert found.size == image.size
    assert read(found).info == TEXT


@pytest.mark.parametrize(
    ("name", "mode", "kept"),
    [
        ("png", "RGBA", "RGBA"),
        ("png", "P", "P"),
        ("png", "CMYK", "RGB"),
        ("jpg", "L", "L"),
        ("jpg", "P", "RGB"),
        ("jpg", "CMYK", "RGB"),
        ("webp", "RGBA", "RGB"),
        ("avif", "RGBA", "RGBA"),
    ],
)
def test_modes_in_files(picture: Image.Image, name: str, mode: str, kept: str) -> None:
    image = picture.convert(mode)
    if mode == "RGBA":
        image.putalpha(99)
    if name in FORMATS:
        assert opened(encode(image, ImageSpec(format=name), None, {})).mode == kept


@pytest.mark.parametrize("name", ["jpg", "webp"])
def test_jpeg_and_webp_drop_transparency(name: str) -> None:
    image = Image.new("RGBA", (32, 32), (200, 30, 60, 0))
    found = opened(encode(image, ImageSpec(format=name), None, {}))
    assert found.mode == "RGB"
    difference = ImageChops.difference(found, image.convert("RGB"))
    assert max(ImageStat.Stat(difference).mean) < 5


def test_a_16_bit_picture_becomes_8_bit() -> None:
    image = Image.new("I;16", (8, 8), 32768)
    assert opened(encode(image, ImageSpec(format="jpg"), None, {})).getpixel((4, 4)) in range(126, 130)


def test_webp_can_be_lossless(picture: Image.Image) -> None:
    found = opened(encode(picture, ImageSpec(format="webp", lossless=True), TEXT, {}))
    assert found.convert("RGB").tobytes() == picture.tobytes()


@pytest.mark.parametrize("name", LOSSY)
def test_quality_matters_and_is_clamped(picture: Image.Image, name: str) -> None:
    image = picture.resize((256, 256))
    low, high = (len(encode(image, ImageSpec(format=name, quality=q), None, {})) for q in (5, 95))
    assert low < high
    for quality in (-3, 0, 101, 10_000):
        encode(picture, ImageSpec(format=name, quality=quality), None, {})


def test_the_format_may_be_in_any_case(picture: Image.Image) -> None:
    assert opened(encode(picture, ImageSpec(format="JPEG"), None, {})).format == "JPEG"


@pytest.mark.parametrize("name", ["", "bmp", "tiff", "jpg "])
def test_an_unknown_format_is_refused_before_any_work(name: str) -> None:
    with pytest.raises(ApiError) as caught:
        ImageSpec(format=name)
    assert (caught.value.status, caught.value.detail) == (500, "Invalid image format")


@pytest.mark.parametrize("name", FORMATS)
def test_without_infotext_nothing_is_embedded(picture: Image.Image, name: str) -> None:
    found = opened(encode(picture, ImageSpec(format=name), None, {}))
    assert read(found).info == ""
    assert not {"exif", "comment", "parameters"} & set(found.info)


def test_png_takes_the_extra_texts(picture: Image.Image) -> None:
    extra = {"parameters": "not this", "postprocessing": "Postprocess upscale by: 2", "": "no key"}
    found = opened(encode(picture, ImageSpec(), TEXT, extra))
    assert read(found) == ImageInfo(TEXT, {"postprocessing": "Postprocess upscale by: 2"})
    assert read(opened(encode(picture, ImageSpec(), None, {"extras": "é"}))) == ImageInfo("", {"extras": "é"})


def test_png_compress_level_is_passed_on(picture: Image.Image) -> None:
    sizes = [len(encode(picture, ImageSpec(png_compress_level=level), TEXT, {})) for level in (0, 9)]
    assert sizes[0] > sizes[1]


def test_a_text_too_long_for_jpeg_is_left_out(picture: Image.Image) -> None:
    for length, kept in ((32_000, True), (33_000, False)):
        data = encode(picture, ImageSpec(format="jpg"), "x" * length, {})
        assert read(opened(data)).info == ("x" * length if kept else "")
    for name in LOSSY[2:]:
        assert read(opened(encode(picture, ImageSpec(format=name), "x" * 100_000, {}))).info == "x" * 100_000


@pytest.mark.parametrize("name", FORMATS)
def test_half_surrogates_are_replaced(picture: Image.Image, name: str) -> None:
    data = encode(picture, ImageSpec(format=name), "a\ud800b", {})
    assert read(opened(data)).info == "a\ufffdb"


def test_the_exif_comment_has_the_bytes_other_programs_expect(picture: Image.Image) -> None:
    data = encode(picture, ImageSpec(format="jpg"), "aé", {})
    assert b"UNICODE\0\0a\0\xe9" in data
