from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sdapi_compat.backend.sniff import FileKind, sniff


def test_each_format_is_told_by_content_whatever_the_name(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, str(tmp_path / "really-safe.ckpt"))
    torch.save({"a": torch.ones(2)}, tmp_path / "zip.safetensors")
    torch.save({"a": 1}, tmp_path / "old.safetensors", _use_new_zipfile_serialization=False)
    assert sniff(tmp_path / "really-safe.ckpt") is FileKind.SAFETENSORS
    assert sniff(tmp_path / "zip.safetensors") is FileKind.ZIP_PICKLE
    assert sniff(tmp_path / "old.safetensors") is FileKind.LEGACY_PICKLE


@pytest.mark.parametrize("content", [b"", b"\x80", b"12345678", b"<html>not found</html>", b"\x80\x01abc"])
def test_anything_else_is_unknown(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file.ckpt").write_bytes(content)
    assert sniff(tmp_path / "file.ckpt") is FileKind.UNKNOWN
