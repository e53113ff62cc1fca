"""What a weight file is, judged by its first bytes and never by its name.

A pickle renamed to `.safetensors` must not reach the unpickler by way of a friendly name, and a safetensors
file saved as `.ckpt` loads all the same.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path

_ZIP_MAGIC = b"PK\x03\x04"
_PICKLE_PROTO = 0x80
_PICKLE_VERSIONS = range(2, 6)
_LENGTH_BYTES = 8


class FileKind(Enum):
    """The formats a weight file can have."""

    SAFETENSORS = "safetensors"
    ZIP_PICKLE = "zip pickle"
    LEGACY_PICKLE = "legacy pickle"
    UNKNOWN = "unknown"


def sniff(path: Path) -> FileKind:
    """The format of `path` by content. Raises OSError when the file cannot be read."""
    with path.open("rb") as file:
        head = file.read(_LENGTH_BYTES + 1)
    if head.startswith(_ZIP_MAGIC):
        return FileKind.ZIP_PICKLE
    if len(head) > _LENGTH_BYTES and head[_LENGTH_BYTES] == ord("{"):
        return FileKind.SAFETENSORS
    if len(head) >= 2 and head[0] == _PICKLE_PROTO and head[1] in _PICKLE_VERSIONS:
        return FileKind.LEGACY_PICKLE
    return FileKind.UNKNOWN
