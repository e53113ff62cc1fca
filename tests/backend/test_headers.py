from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from sdapi_compat.backend.headers import MAX_HEADER_BYTES, BadWeightFile, read_header, read_metadata


def _write(path: Path, header: bytes, data: bytes = b"", length: int | None = None) -> Path:
    path.write_bytes(struct.pack("<Q", len(header) if length is None else length) + header + data)
    return path


def _entry(**fields: Any) -> bytes:
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | fields
    return json.dumps({"a": entry}).encode()


def test_shapes_metadata_and_data_start(tmp_path: Path) -> None:
    path = tmp_path / "file.safetensors"
    save_file({"a": torch.zeros(2, 3), "b": torch.zeros(5)}, str(path), metadata={"k": "v"})
    header = read_header(path)
    assert header.shapes == {"a": (2, 3), "b": (5,)}
    assert header.metadata == {"k": "v"}
    assert path.stat().st_size - header.data_start == (6 + 5) * 4


def test_an_oversized_length_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = _write(tmp_path / "file", b"{}", length=MAX_HEADER_BYTES + 1)
    with pytest.raises(BadWeightFile, match="at most 16777216 allowed"):
        read_header(path)


@pytest.mark.parametrize(
    ("header", "data", "reason"),
    [
        (b"{", b"", "malformed"),
        (b"[]", b"", "malformed"),
        (b'{"a": 1}', b"", "malformed"),
        (b'{"__metadata__": {"k": 1}}', b"", "malformed"),
        (_entry(), b"1234", "truncated: tensor 'a' ends at 8, the data at 4"),
        (_entry(shape=[3]), b"12345678", r"do not fit shape \[3\]"),
        (_entry(data_offsets=[-8, 0]), b"12345678", "do not fit"),
        (_entry(dtype="F99"), b"12345678", "unknown dtype 'F99'"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, header: bytes, data: bytes, reason: str) -> None:
    with pytest.raises(BadWeightFile, match=reason):
        read_header(_write(tmp_path / "file", header, data))


def test_truncated_inside_the_header(tmp_path: Path) -> None:
    with pytest.raises(BadWeightFile, match="truncated"):
        read_header(_write(tmp_path / "file", b"{}", length=1000))
    (tmp_path / "short").write_bytes(b"123")
    with pytest.raises(BadWeightFile, match="shorter"):
        read_header(tmp_path / "short")


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=200))
def test_random_bytes_never_raise_anything_else(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "random.safetensors"
    path.write_bytes(struct.pack("<Q", max(0, len(content) - 3)) + b"{" + content)
    try:
        read_header(path)
    except BadWeightFile:
        return


def test_json_looking_metadata_is_parsed(tmp_path: Path) -> None:
    path = tmp_path / "lora.safetensors"
    metadata = {"tags": '{"img": {"cat": 3}}', "bad": "{not json", "list": "[1]", "plain": "4"}
    save_file({"a": torch.zeros(1)}, str(path), metadata=metadata)
    assert read_metadata(path) == {
        "tags": {"img": {"cat": 3}},
        "bad": "{not json",
        "list": "[1]",
        "plain": "4",
    }


def test_other_formats_have_no_metadata(tmp_path: Path) -> None:
    torch.save({"a": 1}, tmp_path / "lora.pt")
    assert read_metadata(tmp_path / "lora.pt") == {}
