"""Writing pictures to disk: names inside one directory, written whole or not at all."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import msgspec
from PIL import Image

from sdapi_compat.errors import Fault
from sdapi_compat.imaging.filenames import next_number

Encode = Callable[[Image.Image, str], bytes]

# The largest side each format can hold; larger pictures are written as PNG.
_MAX_SIDE = {"jpg": 65535, "jpeg": 65535, "webp": 16383}
_MAX_NAME_BYTES = 255
_RESERVED_BYTES = 16  # for the extension and a "-123" suffix
_UNSAFE = re.compile(r"[\x00-\x1f/\\]")


class JpegCopy(msgspec.Struct, frozen=True):
    """The option export_for_4chan: when a smaller JPEG is written beside the picture."""

    over_megabytes: float = 4.0
    over_side: float = 4000


class SaveTarget(msgspec.Struct, frozen=True):
    """Where and under what name a picture is saved.

    `root` may be anywhere; `subdirectory` (from directories_filename_pattern) and the name stay below it.
    The name is "{number}-{decoration}{suffix}" when numbered, with `basename` in front of the number.
    """

    root: Path
    extension: str = "png"
    subdirectory: str = ""
    basename: str = ""
    decoration: str = ""
    suffix: str = ""
    numbered: bool = True
    replace: bool = True
    jpeg_copy: JpegCopy | None = None

    @property
    def unnumbered(self) -> bool:
        """A name needs its number when there is nothing else in it."""
        return not self.numbered and bool(self.decoration + self.suffix)


class Saved(msgspec.Struct, frozen=True):
    """The files written."""

    image: Path
    text: Path | None = None
    jpeg_copy: Path | None = None


def sample_pattern(pattern: str, *, save_to_dirs: bool) -> str:
    """The file name pattern in force: the option, or A1111 1.10.1's default for it."""
    return pattern or ("[seed]" if save_to_dirs else "[seed]-[prompt_spaces]")


def save(image: Image.Image, target: SaveTarget, encode: Encode, text: str | None = None) -> Saved:
    """Encode and write a picture, and `text` (if given) beside it as .txt.

    `encode(image, extension)` makes the file's bytes. A1111 1.10.1 behaviour: five-digit numbers (four
    after a basename), counting on from the highest present; a name without number is replaced or gets "-1",
    "-2"; sides a format cannot hold fall back to PNG. Raises Fault PermissionError for a place outside
    `root`, OSError if the disk refuses.
    """
    directory = _directory(target.root, target.subdirectory)
    extension = _extension(image, target.extension)
    data = encode(image, extension)
    replace = target.replace and target.unnumbered
    candidates = _candidates(directory, target, extension)
    path = next(path for path in candidates if _publish(path, data, replace=replace))
    note = None
    if text is not None:
        note = path.with_suffix(".txt")
        _publish(note, f"{text}\n".encode(), replace=True)
    return Saved(path, note, _write_jpeg_copy(image, path, target.jpeg_copy, encode))


def _directory(root: Path, subdirectory: str) -> Path:
    parts = [_component(part) for part in re.split(r"[/\\]", subdirectory)]
    home = root.resolve()
    directory = home.joinpath(*filter(None, parts))
    if not directory.resolve().is_relative_to(home):
        raise Fault("PermissionError", "the directory pattern leads outside the output directory")
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _component(text: str) -> str:
    cleaned = _UNSAFE.sub("_", text).strip(" ").rstrip(".")
    return cleaned.encode("utf-8", "replace")[:_MAX_NAME_BYTES].decode("utf-8", "ignore")


def _extension(image: Image.Image, wanted: str) -> str:
    extension = _UNSAFE.sub("_", wanted.lstrip("."))
    return "png" if max(image.size) > _MAX_SIDE.get(extension.lower(), max(image.size)) else extension


def _candidates(directory: Path, target: SaveTarget, extension: str) -> Iterator[Path]:
    """The names to try, in order, without end."""
    decoration = target.decoration + target.suffix
    if target.unnumbered:
        stem = _stem(decoration)
        yield directory / f"{stem}.{extension}"
        for number in count(1):
            yield directory / f"{stem}-{number}.{extension}"
    tail = f"-{decoration}" if decoration else ""
    for number in count(next_number(directory, target.basename)):
        label = f"{target.basename}-{number:04}" if target.basename else f"{number:05}"
        yield directory / f"{_stem(label + tail)}.{extension}"


def _stem(text: str) -> str:
    safe = _UNSAFE.sub("_", text).encode("utf-8", "replace")[: _MAX_NAME_BYTES - _RESERVED_BYTES]
    return safe.decode("utf-8", "ignore")


def _publish(path: Path, data: bytes, *, replace: bool) -> bool:
    """Write whole under another name, then take the real one; False if it is taken and not to be replaced."""
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
        if replace:
            os.replace(temporary, path)
            return True
        return _claim(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _claim(temporary: Path, path: Path) -> bool:
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError:
        # A file system without hard links: two processes could now take the same name.
        if path.exists():
            return False
        os.replace(temporary, path)
    return True


def _write_jpeg_copy(image: Image.Image, path: Path, rule: JpegCopy | None, encode: Encode) -> Path | None:
    if rule is None:
        return None
    longest = max(image.size)
    if longest <= rule.over_side and path.stat().st_size <= rule.over_megabytes * 1024 * 1024:
        return None
    if longest > rule.over_side:
        scale = rule.over_side / longest
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.LANCZOS)
    copy = path.with_suffix(".jpg")
    _publish(copy, encode(image, "jpg"), replace=True)
    return copy
