"""What other programs wrote into pictures is read."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from sdapi_compat.metadata.images import ImageInfo, read
from tests.metadata.files import comment_exif, opened, saved, with_texts

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
