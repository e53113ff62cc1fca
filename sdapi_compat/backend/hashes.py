"""Hashes of weight files and the cache that remembers them between runs."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from sdapi_compat.backend.headers import read_header
from sdapi_compat.backend.sniff import FileKind, sniff

HashKind = Literal["file", "data"]

_log = logging.getLogger(__name__)
_BLOCK = 1024 * 1024
_LEGACY_OFFSET = 0x100000
_LEGACY_LENGTH = 0x10000
_WEIGHT_SUFFIXES = frozenset({".safetensors", ".bin", ".pt", ".pth", ".ckpt"})


def weight_files(folder: Path) -> list[Path]:
    """The weight files of a diffusers folder, sorted by their path inside it."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in _WEIGHT_SUFFIXES and path.is_file())
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def content_hash(path: Path) -> str:
    """sha256 (64 hex digits) of a file, or of a diffusers folder's weight files one after another."""
    return _sha256(weight_files(path) if path.is_dir() else [path])


def legacy_hash(path: Path) -> str:
    """First 8 hex digits of sha256 over the 0x10000 bytes at offset 0x100000.

    Of a folder: its first weight file. A1111 1.10.1 behaviour: a shorter file gives the hash of nothing.
    """
    files = weight_files(path) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file_path in files[:1]:
        with file_path.open("rb") as file:
            file.seek(_LEGACY_OFFSET)
            digest.update(file.read(_LEGACY_LENGTH))
    return digest.hexdigest()[:8]


def data_hash(path: Path) -> str:
    """sha256 of a safetensors file's data part, which survives edits of the metadata; else of the file."""
    start = read_header(path).data_start if sniff(path) is FileKind.SAFETENSORS else 0
    return _sha256([path], start)


def _sha256(paths: Iterable[Path], start: int = 0) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            file.seek(start)
            while block := file.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()


def fingerprint(path: Path) -> tuple[int, int]:
    """(latest modification time in ns, total bytes) of a file or of a diffusers folder's weight files."""
    stats = [file.stat() for file in (weight_files(path) if path.is_dir() else [path])]
    return max((s.st_mtime_ns for s in stats), default=0), sum(s.st_size for s in stats)


class HashCache:
    """Hashes keyed by path, modification time and size, kept in one JSON file. Thread-safe.

    The file is written whole under another name and then renamed, so a crash leaves the old one.
    An unreadable cache counts as empty; an unwritable one is reported and kept in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._entries = _read_entries(path) if path is not None else {}

    def known(self, path: Path, kind: HashKind = "file") -> str | None:
        """The hash of the file as it is now, when it was computed before."""
        with self._lock:
            return self._entries.get(_key(path, kind), {}).get(_version(path))

    def obtain(self, path: Path, kind: HashKind = "file") -> str:
        """The hash of the file, computed (a pass over the whole file) when it is not known."""
        known = self.known(path, kind)
        if known is not None:
            return known
        version = _version(path)
        value = content_hash(path) if kind == "file" else data_hash(path)
        with self._lock:
            self._entries[_key(path, kind)] = {version: value}
            self._save()
        return value

    def _save(self) -> None:
        if self._path is None:
            return
        temporary = self._path.with_name(f"{self._path.name}.{os.getpid()}.tmp")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(self._entries, indent=1), encoding="utf-8")
            os.replace(temporary, self._path)
        except OSError as error:
            _log.warning("cannot write the hash cache %s: %s", self._path, error)


def _key(path: Path, kind: HashKind) -> str:
    return f"{kind}/{path.absolute()}"


def _version(path: Path) -> str:
    return "{}-{}".format(*fingerprint(path))


def _read_entries(path: Path) -> dict[str, dict[str, str]]:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        _log.warning("ignoring the hash cache %s: %s", path, error)
        return {}
    if not isinstance(stored, dict):
        return {}
    return {str(key): value for key, value in stored.items() if isinstance(value, dict)}
