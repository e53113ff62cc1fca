"""Image files of every format: what is written is read back, and nothing hostile gets through."""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageStat, PngImagePlugin, features
from PIL.ExifTags import IFD, Base

from sdapi_compat.errors import ApiError
from sdapi_compat.metadata.images import ImageInfo, ImageSpec, encode, read

TEXT = (
    'a "red" 模型 😀, größe\nNegative prompt: blurry\nSteps: 6, Sampler: Euler a, Seed: 1, Version: v1.10.1'
)

LOSSY = ["jpg", "jpeg", "webp", *(["avif"] if features.check("avif") else [])]
FORMATS = ["png", *LOSSY, "gif"]


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def saved(image: Image.Image, kind: str, **options: Any) -> Image.Image:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return opened(file.getvalue())


def comment_exif(comment: bytes | str) -> bytes:
    exif = Image.Exif()
    exif.get_ifd(IFD.Exif)[Base.UserComment] = comment
    return exif.tobytes()


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


# The picture of a real /sdapi/v1/png-info request that A1111 1.10.1 answered with info "" and items {}.
BLACK = (
    "iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAIAAAAlC+aJAAAAYklEQVR4nO3PMQ0AIADAMEAI/qUgCxEcDcmqYJtn7/GzpQNeNaA1"
    "oDWgNaA1oDWgNaA1oDWgNaA1oDWgNaA1oDWgNaA1oDWgNaA1oDWgNaA1oDWgNaA1oDWgNaA1oDWgNaBdQ3UBhOjh6FcAAAAASUVO"
    "RK5CYII="
)


def test_a_picture_that_says_nothing() -> None:
    assert read(opened(base64.b64decode(BLACK))) == ImageInfo("", {})


@pytest.mark.parametrize(
    ("comment", "text"),
    [
        (b"UNICODE\0" + "é 模型".encode("utf-16-be"), "é 模型"),
        (b"UNICODE\0\0a\0", "a\ufffd"),
        (b"ASCII\0\0\0plain", "plain"),
        (b"ASCII\0\0\0caf\xe9", "caf\ufffd"),
        (b"JIS\0\0\0\0\0" + "日本".encode("shift-jis"), "日本"),
        ("naïve".encode(), "naïve"),
        (b"caf\xe9 au lait", "caf au lait"),
        (b"short", "short"),
        ("a string", "a string"),
    ],
)
def test_exif_comments_of_other_programs(picture: Image.Image, comment: bytes | str, text: str) -> None:
    assert read(saved(picture, "JPEG", exif=comment_exif(comment))).info == text


def with_texts(**texts: str) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        info.add_text(key, text)
    return info


def test_an_exif_comment_wins_over_the_text_chunk(picture: Image.Image) -> None:
    texts = with_texts(parameters="chunk")
    assert read(saved(picture, "PNG", pnginfo=texts, exif=comment_exif(b"exif"))).info == "exif"
    assert read(saved(picture, "PNG", pnginfo=texts, exif=comment_exif(b""))).info == "chunk"
    assert read(saved(picture, "PNG", pnginfo=texts, exif=Image.Exif().tobytes())).info == "chunk"


@pytest.mark.parametrize(
    "exif", [b"", b"Exif\0\0", b"rubbish", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff"]
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_broken_exif_is_no_exif(picture: Image.Image, exif: bytes) -> None:
    image = picture.copy()
    image.info = {"parameters": "chunk", "exif": exif}
    assert read(image).info == "chunk"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_no_exif_makes_reading_fail(tail: bytes) -> None:
    image = Image.new("RGB", (1, 1))
    image.info = {"exif": b"Exif\0\0MM\0*\0\0\0\x08" + tail}
    assert isinstance(read(image).info, str)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_exif_whose_entries_all_share_one_megabyte(picture: Image.Image) -> None:
    count = 3000
    start = 8 + 2 + 12 * count + 4
    entries = b"".join(struct.pack(">HHII", tag + 1, 7, 1_000_000, start) for tag in range(count))
    image = picture.copy()
    image.info["exif"] = b"MM\0*\0\0\0\x08" + struct.pack(">H", count) + entries + bytes(1_000_004)
    assert read(image) == ImageInfo("", {})


def test_comments_of_gif_and_jpeg(picture: Image.Image) -> None:
    found = read(saved(picture, "GIF", comment="größe".encode()))
    assert (found.info, found.items["comment"]) == ("größe", "größe")
    assert read(saved(picture, "JPEG", comment=b"a note")).info == "a note"
    assert read(saved(picture, "JPEG", comment=b"a note", exif=comment_exif(b"exif"))).info == "exif"
    assert read(saved(picture, "JPEG", comment=b"a note", exif=comment_exif(b""))).info == ""


def test_a_comment_that_is_not_utf8_is_read_but_not_shown(picture: Image.Image) -> None:
    found = read(saved(picture, "JPEG", comment=b"caf\xe9!"))
    assert (found.info, found.items) == ("caf!", {})


def test_items_are_what_json_can_show(picture: Image.Image) -> None:
    image = picture.copy()
    image.info = {
        "parameters": "p",
        "jfif_version": (1, 1),
        "dpi": (72, 72),
        "icc_profile": b"x",
        "text": PngImagePlugin.iTXt("international"),
        "bytes": "é".encode(),
        "binary": b"\xff\xfe",
        "gamma": 0.45455,
        "nan": float("nan"),
        "srgb": 0,
        "flag": True,
        "aspect": (1, 2.5),
        "mixed": (1, b"\xff"),
        "thing": object(),
        7: "number",  # type: ignore[dict-item]
    }
    found = read(image)
    assert found.items == {
        "text": "international",
        "bytes": "é",
        "gamma": 0.45455,
        "srgb": 0,
        "flag": True,
        "aspect": [1, 2.5],
        "7": "number",
    }
    assert type(found.items["text"]) is str
    assert json.loads(json.dumps(found.items)) == found.items
    assert found.texts == {"text": "international", "bytes": "é", "7": "number"}


def test_reading_changes_nothing(picture: Image.Image) -> None:
    image = saved(picture, "PNG", pnginfo=with_texts(parameters="p", extras="e"))
    read(image)
    assert image.info == {"parameters": "p", "extras": "e"}


NOVELAI = {
    "sampler": "k_euler_ancestral",
    "uc": "lowres",
    "steps": 28,
    "scale": 11.0,
    "seed": 7,
    "noise": 0.2,
}


def novelai(picture: Image.Image, comment: object, **texts: str) -> ImageInfo:
    chunks = {"Software": "NovelAI", "Description": "a cat", "Comment": json.dumps(comment)} | texts
    return read(
        saved(picture, "PNG", pnginfo=with_texts(**chunks)), {"k_euler_ancestral": "Euler a", "ddim": "DDIM"}
    )


def test_pictures_of_novelai(picture: Image.Image) -> None:
    found = novelai(picture, NOVELAI)
    assert found.info == (
        "a cat\nNegative prompt: lowres\nSteps: 28, Sampler: Euler a, CFG scale: 11.0, Seed: 7, Size: 37x23, "
        "Clip skip: 2, ENSD: 31337"
    )
    assert list(found.items) == ["Software", "Description", "Comment"]


@pytest.mark.parametrize(("sampler", "name"), [("ddim", "DDIM"), ("unheard of", "Euler a")])
def test_samplers_of_novelai(picture: Image.Image, sampler: str, name: str) -> None:
    assert (
        f"Sampler: {name}, CFG scale: 7, "
        in novelai(picture, NOVELAI | {"sampler": sampler, "scale": 7}).info
    )


@pytest.mark.parametrize(
    ("comment", "texts"),
    [
        ({}, {}),
        ([], {}),
        (NOVELAI | {"steps": "many"}, {}),
        (NOVELAI, {"Comment": "{broken"}),
        (NOVELAI, {"Software": "novelai"}),
    ],
)
def test_pictures_that_only_look_like_novelai(
    picture: Image.Image, comment: object, texts: Mapping[str, str]
) -> None:
    assert novelai(picture, comment, parameters="own", **texts).info == "own"


def test_novelai_needs_its_texts(picture: Image.Image) -> None:
    assert read(saved(picture, "PNG", pnginfo=with_texts(Software="NovelAI", parameters="own"))).info == "own"


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
