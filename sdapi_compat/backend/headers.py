"""The header of a safetensors file: names, dtypes and shapes without reading a weight.

Format: 8 bytes little-endian header length, a JSON object {name: {dtype, shape, data_offsets}} with an
optional "__metadata__" object of strings, then the data. The length is capped before anything is read: an
unbounded length is a memory exhaustion (CVE-2026-111985 in the original).
"""

from __future__ import annotations

import json
import struct
from math import prod
from pathlib import Path
from typing import Any

import msgspec

from sdapi_compat.backend.sniff import FileKind, sniff

MAX_HEADER_BYTES = 16 * 1024 * 1024
_PREFIX = struct.Struct("<Q")
_DTYPES_BY_WIDTH = {
    1: ("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"),
    2: ("F16", "BF16", "I16", "U16"),
    4: ("F32", "I32", "U32"),
    8: ("F64", "I64", "U64", "C64"),
}
_BYTES_PER_ELEMENT = {dtype: width for width, dtypes in _DTYPES_BY_WIDTH.items() for dtype in dtypes}


class BadWeightFile(Exception):
    """The file is not what it should be; the text says how."""


class TensorEntry(msgspec.Struct, frozen=True):
    """One tensor of the file: dtype word of the format, shape, byte range inside the data part."""

    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


class Header(msgspec.Struct, frozen=True):
    """A parsed header. `data_start` is the offset of the data part in the file."""

    tensors: dict[str, TensorEntry]
    metadata: dict[str, str]
    data_start: int

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """{tensor name: shape}."""
        return {name: entry.shape for name, entry in self.tensors.items()}


def read_header(path: Path) -> Header:
    """The header of a safetensors file, checked against the file's length.

    Raises BadWeightFile for a header that is oversized, malformed, or describes more data than the file has.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        prefix = file.read(_PREFIX.size)
        if len(prefix) < _PREFIX.size:
            raise BadWeightFile("not a safetensors file: shorter than its own length field")
        (length,) = _PREFIX.unpack(prefix)
        if length > MAX_HEADER_BYTES:
            raise BadWeightFile(f"safetensors header of {length} bytes, at most {MAX_HEADER_BYTES} allowed")
        if length > size - _PREFIX.size:
            raise BadWeightFile(f"truncated: the header alone needs {length} bytes, the file has {size}")
        raw = file.read(length)
    header = _parse(raw, _PREFIX.size + length)
    _check_ranges(header, size)
    return header


def read_metadata(path: Path) -> dict[str, Any]:
    """The "__metadata__" strings, with values that look like JSON objects parsed; {} for any other format.

    A1111 1.10.1 behaviour: only strings starting with "{" are parsed, and kept as text when that fails.
    """
    if sniff(path) is not FileKind.SAFETENSORS:
        return {}
    return {key: _parse_object(value) for key, value in read_header(path).metadata.items()}


def _parse(raw: bytes, data_start: int) -> Header:
    try:
        fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        metadata = msgspec.json.decode(fields.pop("__metadata__", b"{}"), type=dict[str, str])
        tensors = {name: msgspec.json.decode(value, type=TensorEntry) for name, value in fields.items()}
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadWeightFile(f"malformed safetensors header: {error}") from error
    return Header(tensors=tensors, metadata=metadata, data_start=data_start)


def _check_ranges(header: Header, size: int) -> None:
    available = size - header.data_start
    for name, entry in header.tensors.items():
        start, end = entry.data_offsets
        width = _BYTES_PER_ELEMENT.get(entry.dtype)
        if width is None:
            raise BadWeightFile(f"tensor {name!r} has the unknown dtype {entry.dtype!r}")
        if start < 0 or end - start != width * prod(entry.shape):
            raise BadWeightFile(f"tensor {name!r}: bytes {start}-{end} do not fit shape {list(entry.shape)}")
        if end > available:
            raise BadWeightFile(f"truncated: tensor {name!r} ends at {end}, the data at {available}")


def _parse_object(value: str) -> Any:
    if not value.startswith("{"):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
