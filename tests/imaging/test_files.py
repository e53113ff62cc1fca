from __future__ import annotations

import io
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from sdapi_compat.errors import Fault
from sdapi_compat.imaging.files import JpegCopy, SaveTarget, sample_pattern, save

PICTURE = Image.new("RGB", (8, 6), "teal")


def encode(image: Any, extension: Any) -> Any:
    buffer = io.BytesIO()
    image.save(buffer, {"jpg": "JPEG"}.get(extension.lower(), extension.upper()))
    return buffer.getvalue()


def tagged(image: Any, extension: Any) -> Any:
    """Not a picture: says what was encoded."""
    return f"{extension} {image.width}x{image.height}".encode()


def names(folder: Any) -> Any:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def target(tmp_path: Any) -> Any:
    return SaveTarget(tmp_path / "out", decoration="1234")


def test_numbers_count_on(target: Any) -> None:
    for _ in range(3):
        save(PICTURE, target, encode)
    assert names(target.root) == ["00000-1234.png", "00001-1234.png", "00002-1234.png"]


def test_file_holds_the_picture(target: Any) -> None:
    with Image.open(save(PICTURE, target, encode).image) as file:
        assert file.convert("RGB").tobytes() == PICTURE.tobytes()


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "00000-1234.png"),
        ({"suffix": "-mask"}, "00000-1234-mask.png"),
        ({"decoration": ""}, "00000.png"),
        ({"basename": "grid"}, "grid-0000-1234.png"),
        ({"basename": "grid", "decoration": "", "extension": "jpg"}, "grid-0000.jpg"),
        ({"numbered": False}, "1234.png"),
        ({"numbered": False, "suffix": "-mask"}, "1234-mask.png"),
        ({"numbered": False, "decoration": ""}, "00000.png"),
        ({"subdirectory": "2026-03-09"}, "2026-03-09/00000-1234.png"),
        ({"subdirectory": "a/b\\c"}, "a/b/c/00000-1234.png"),
        ({"extension": ".webp"}, "00000-1234.webp"),
    ],
)
def test_names(changes: Any, name: Any, target: Any) -> None:
    saved = save(PICTURE, msgspec.structs.replace(target, **changes), encode)
    assert names(target.root) == [name]
    assert saved.image == target.root / name


def test_each_directory_counts_for_itself(target: Any) -> None:
    save(PICTURE, target, encode)
    save(PICTURE, msgspec.structs.replace(target, subdirectory="day"), encode)
    assert names(target.root) == ["00000-1234.png", "day/00000-1234.png"]


def test_names_without_number_are_replaced(target: Any) -> None:
    target = msgspec.structs.replace(target, numbered=False)
    save(PICTURE, target, lambda image, extension: b"old")
    save(PICTURE, target, lambda image, extension: b"new")
    assert names(target.root) == ["1234.png"]
    assert (target.root / "1234.png").read_bytes() == b"new"


def test_or_get_a_suffix(target: Any) -> None:
    target = msgspec.structs.replace(target, numbered=False, replace=False)
    for _ in range(3):
        save(PICTURE, target, encode)
    assert names(target.root) == ["1234-1.png", "1234-2.png", "1234.png"]


def test_text_goes_beside_the_picture(target: Any) -> None:
    saved = save(PICTURE, target, encode, text="a cat\nSteps: 20 ü")
    assert saved.text == target.root / "00000-1234.txt"
    assert saved.text.read_bytes() == "a cat\nSteps: 20 ü\n".encode()


def test_text_is_optional(target: Any) -> None:
    assert save(PICTURE, target, encode).text is None


def test_dots_in_a_name_are_kept_beside_the_text(target: Any) -> None:
    saved = save(PICTURE, msgspec.structs.replace(target, decoration="v1.5 cat"), encode, text="x")
    assert names(target.root) == ["00000-v1.5 cat.png", "00000-v1.5 cat.txt"]
    assert saved.text.name == "00000-v1.5 cat.txt"


@pytest.mark.parametrize(
    ("extension", "size", "expected"),
    [
        ("jpg", (65535, 1), "jpg"),
        ("jpg", (65536, 1), "png"),
        ("JPEG", (1, 65536), "png"),
        ("webp", (1, 16383), "webp"),
        ("webp", (16384, 1), "png"),
        ("png", (70000, 1), "png"),
    ],
)
def test_sides_a_format_cannot_hold(extension: Any, size: Any, expected: Any, target: Any) -> None:
    target = msgspec.structs.replace(target, extension=extension)
    saved = save(Image.new("L", size), target, tagged)
    assert saved.image.suffix == f".{expected}"
    assert saved.image.read_bytes().startswith(expected.encode())


@pytest.mark.parametrize(
    ("size", "rule", "expected"),
    [
        ((100, 50), JpegCopy(), None),
        ((100, 50), JpegCopy(over_side=100), None),
        ((100, 50), JpegCopy(over_side=80), "jpg 80x40"),
        ((50, 101), JpegCopy(over_side=80), "jpg 40x80"),
        ((100, 50), JpegCopy(over_megabytes=0), "jpg 100x50"),
        ((5000, 1), JpegCopy(), "jpg 4000x1"),
    ],
)
def test_jpeg_copy(size: Any, rule: Any, expected: Any, target: Any) -> None:
    saved = save(Image.new("RGB", size), msgspec.structs.replace(target, jpeg_copy=rule), tagged)
    if expected is None:
        assert (saved.jpeg_copy, names(target.root)) == (None, ["00000-1234.png"])
    else:
        assert saved.jpeg_copy == target.root / "00000-1234.jpg"
        assert saved.jpeg_copy.read_text() == expected


def test_nothing_is_left_when_encoding_fails(target: Any) -> None:
    def broken(image: Any, extension: Any) -> Any:
        raise ValueError("cannot encode")

    with pytest.raises(ValueError, match="cannot encode"):
        save(PICTURE, target, broken)
    assert names(target.root) == []


def test_nothing_is_left_when_the_disk_refuses(target: Any, monkeypatch: Any) -> None:
    target.root.mkdir()

    def full(source: Any, destination: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "link", full)
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        save(PICTURE, target, encode)
    assert names(target.root) == []


def test_without_hard_links_names_are_still_not_reused(target: Any, monkeypatch: Any) -> None:
    def unsupported(source: Any, destination: Any) -> Any:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", unsupported)
    for chosen in (target, msgspec.structs.replace(target, numbered=False, replace=False)):
        save(PICTURE, chosen, encode)
        save(PICTURE, chosen, encode)
    assert names(target.root) == ["00000-1234.png", "00001-1234.png", "1234-1.png", "1234.png"]


def test_many_savers_at_once_lose_nothing(target: Any) -> None:
    with ThreadPoolExecutor(8) as pool:
        saved = list(pool.map(lambda _: save(PICTURE, target, encode).image, range(40)))
    assert len(set(saved)) == 40
    assert len(names(target.root)) == 40


@pytest.mark.skipif(sys.platform == "win32", reason="permission bits")
def test_files_have_the_usual_permissions(target: Any) -> None:
    usual = target.root.parent / "usual"
    usual.touch()
    assert save(PICTURE, target, encode).image.stat().st_mode == usual.stat().st_mode


@pytest.mark.parametrize(
    "subdirectory",
    ["..", "../..", "a/../../b", "/etc", "..\\..", "C:\\x", "./././..", ". . /x", "...", "\x00", "~"],
)
def test_subdirectories_stay_below_the_root(subdirectory: Any, target: Any, tmp_path: Any) -> None:
    saved = save(PICTURE, msgspec.structs.replace(target, subdirectory=subdirectory), encode)
    assert saved.image.resolve().is_relative_to(target.root.resolve())
    assert {path.name for path in tmp_path.iterdir()} == {"out"}


@pytest.mark.skipif(sys.platform == "win32", reason="needs symbolic links")
def test_links_out_of_the_root_are_refused(target: Any, tmp_path: Any) -> None:
    (tmp_path / "elsewhere").mkdir()
    target.root.mkdir()
    (target.root / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Fault, match="outside the output directory"):
        save(PICTURE, msgspec.structs.replace(target, subdirectory="link"), encode)
    assert names(tmp_path / "elsewhere") == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs symbolic links")
def test_the_root_itself_may_be_a_link(target: Any, tmp_path: Any) -> None:
    (tmp_path / "disk").mkdir()
    target.root.symlink_to(tmp_path / "disk")
    save(PICTURE, target, encode)
    assert names(tmp_path / "disk") == ["00000-1234.png"]


@pytest.mark.parametrize("decoration", ["日本" * 200, "a" * 1000, "\ud800x"])
def test_long_and_odd_names_fit_the_file_system(decoration: Any, target: Any) -> None:
    saved = save(PICTURE, msgspec.structs.replace(target, decoration=decoration), encode, text="x")
    assert len(os.fsencode(saved.image.name)) <= 255
    assert saved.text.exists()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    subdirectory=st.text(max_size=40),
    decoration=st.text(max_size=40),
    extension=st.text(max_size=8),
    numbered=st.booleans(),
)
def test_no_text_escapes_the_root(
    subdirectory: Any, decoration: Any, extension: Any, numbered: Any, tmp_path: Any
) -> None:
    target = SaveTarget(
        tmp_path / "out",
        extension=f"x{extension}",
        subdirectory=subdirectory,
        decoration=decoration,
        numbered=numbered,
    )
    saved = save(PICTURE, target, tagged)
    assert saved.image.resolve().is_relative_to(target.root.resolve())
    assert saved.image.is_file()
    assert {path.name for path in tmp_path.iterdir()} == {"out"}


@pytest.mark.parametrize(
    ("pattern", "save_to_dirs", "expected"),
    [("", True, "[seed]"), ("", False, "[seed]-[prompt_spaces]"), ("[model_name]", False, "[model_name]")],
)
def test_default_pattern(pattern: Any, save_to_dirs: Any, expected: Any) -> None:
    assert sample_pattern(pattern, save_to_dirs=save_to_dirs) == expected
