"""Walking model folders in the order the original lists them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

DIFFUSERS_INDEX = "model_index.json"
_DIGITS = re.compile(r"([0-9]+)")


def natural_key(text: str) -> tuple[int | str, ...]:
    """Sort key that compares runs of digits as numbers and everything else case-insensitively."""
    parts = _DIGITS.split(text)
    return tuple(int(part) if _DIGITS.fullmatch(part) else part.lower() for part in parts)


def walk(root: Path, suffixes: frozenset[str], *, list_hidden: bool = True) -> Iterator[Path]:
    """Files under `root` whose lower-cased suffix is in `suffixes`: folder by folder, each in natural order.

    Links are followed, a folder reached twice is visited once. With `list_hidden` false, folders whose
    name starts with a dot are left out. A missing root gives nothing.
    """
    for folder, names, _ in _folders(root, list_hidden):
        for name in sorted(names, key=natural_key):
            if os.path.splitext(name)[1].lower() in suffixes:
                yield folder / name


def walk_checkpoints(root: Path, suffixes: frozenset[str], *, list_hidden: bool = True) -> Iterator[Path]:
    """Like `walk`; folders in the diffusers layout count as one entry each, listed among their siblings."""
    for folder, names, subfolders in _folders(root, list_hidden):
        entries = [name for name in names if os.path.splitext(name)[1].lower() in suffixes]
        entries += [name for name in subfolders if is_diffusers_folder(folder / name)]
        for name in sorted(entries, key=natural_key):
            yield folder / name


def is_diffusers_folder(path: Path) -> bool:
    """Whether `path` is a folder in the diffusers layout."""
    return (path / DIFFUSERS_INDEX).is_file()


def _folders(root: Path, list_hidden: bool) -> list[tuple[Path, list[str], list[str]]]:
    """(folder, file names, subfolder names) in natural order; diffusers folders are not entered."""
    visited: set[str] = set()
    found: list[tuple[Path, list[str], list[str]]] = []
    for path, subfolders, names in os.walk(root, followlinks=True):
        if list_hidden is False:
            subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        if os.path.realpath(path) in visited:
            subfolders.clear()
            continue
        visited.add(os.path.realpath(path))
        found.append((Path(path), names, list(subfolders)))
        subfolders[:] = [name for name in subfolders if not is_diffusers_folder(Path(path, name))]
    return sorted(found, key=lambda item: natural_key(str(item[0])))
