"""Prompt styles: named additions to the prompt and the negative prompt, kept in CSV files."""

from __future__ import annotations

import builtins
import csv
import glob
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from sdapi_compat.errors import ApiError, Fault

_log = logging.getLogger(__name__)

_PLACE = "{prompt}"
_DIVIDER_WIDTH = 40
_MAX_LENGTH = 1_000_000


class Style(NamedTuple):
    """One style. A divider, which only separates the files in lists, has None for both texts."""

    name: str
    prompt: str | None
    negative_prompt: str | None


class StyleBook:
    """An immutable, ordered set of styles; of two with one name the later counts."""

    def __init__(self, styles: Iterable[Style] = ()) -> None:
        self._styles = {style.name: style for style in styles}

    @classmethod
    def load(cls, paths: Sequence[Path | str]) -> StyleBook:
        """Read style files; "*" and "?" in a file name stand for all files that fit, sorted by name.

        A1111 1.10.1 behaviour: with more than one file a divider precedes each file's styles. A missing file
        has no styles. A malformed one is logged and counts up to the fault.
        """
        files = list(dict.fromkeys(file for path in paths for file in _files(Path(path))))
        styles: list[Style] = []
        for file in files:
            if len(files) > 1:
                styles.append(Style(f" {file.stem.upper()} ".center(_DIVIDER_WIDTH, "-"), None, None))
            styles.extend(_read(file))
        return cls(styles)

    def apply(self, prompt: str, negative: str, names: Iterable[str]) -> tuple[str, str]:
        """Merge the named styles, in this order, into a prompt and a negative prompt.

        A1111 1.10.1 behaviour: a style with "{prompt}" puts the prompt in every such place; any other is
        appended after ", ", and that strips the prompt even if the style is empty or unknown.

        Raises Fault("TypeError") for a divider, ApiError(422) when a text would exceed a million characters,
        which styles with several "{prompt}" reach quickly.
        """
        for name in names:
            style = self._styles.get(name, Style(name, "", ""))
            prompt, negative = _merge(style.prompt, prompt), _merge(style.negative_prompt, negative)
        return prompt, negative

    def list(self) -> builtins.list[Style]:
        """All styles and dividers in file order."""
        return [*self._styles.values()]


def _merge(style: str | None, prompt: str) -> str:
    if style is None:
        raise Fault("TypeError", "argument of type 'NoneType' is not iterable")
    if len(style) + style.count(_PLACE) * len(prompt) > _MAX_LENGTH:
        raise ApiError(422, f"Expected at most {_MAX_LENGTH} characters in the prompt after applying styles")
    if _PLACE in style:
        return style.replace(_PLACE, prompt)
    return ", ".join(filter(None, (prompt.strip(), style.strip())))


def _files(path: Path) -> Iterator[Path]:
    if "*" in path.name or "?" in path.name:
        yield from (path.parent / name for name in sorted(glob.glob(path.name, root_dir=path.parent)))
    else:
        yield path


def _read(path: Path) -> Iterator[Style]:
    if not path.is_file():
        return
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file, skipinitialspace=True):
                style = _style(row)
                if not style.name.startswith("#"):
                    yield style
    except (OSError, UnicodeDecodeError, csv.Error, KeyError) as error:
        _log.warning("Stopped reading styles from %s: %s", path, error)


def _style(row: dict[str, str | None]) -> Style:
    prompt = row["prompt"] if "prompt" in row else row["text"]
    # A row with fewer columns than the header gives None, which would make it a divider.
    return Style(row["name"] or "", prompt or "", row.get("negative_prompt") or "")
