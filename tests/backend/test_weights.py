from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from sdapi_compat.backend.headers import BadWeightFile
from sdapi_compat.backend.weights import read_pickle, read_tensors

BOTH_FORMATS = pytest.mark.parametrize("new_format", [True, False])


class _Evil:
    def __reduce__(self) -> Any:
        return os.system, ("echo executed > executed",)


@BOTH_FORMATS
@pytest.mark.parametrize("nested", [True, False])
def test_state_dicts(tmp_path: Path, new_format: bool, nested: bool) -> None:
    tensors = {"a": torch.arange(3.0), "b": torch.ones(1).half()}
    content: Any = {"state_dict": tensors, "epoch": 3} if nested else {**tensors, "epoch": 3}
    torch.save(content, tmp_path / "m.ckpt", _use_new_zipfile_serialization=new_format)
    loaded = read_tensors(tmp_path / "m.ckpt")
    assert sorted(loaded) == ["a", "b"]
    assert torch.equal(loaded["a"], tensors["a"])
    assert loaded["b"].dtype == torch.float16


def test_a_safetensors_file_with_a_wrong_name(tmp_path: Path) -> None:
    save_file({"a": torch.arange(3.0)}, str(tmp_path / "m.ckpt"))
    assert torch.equal(read_tensors(tmp_path / "m.ckpt")["a"], torch.arange(3.0))


@BOTH_FORMATS
def test_code_is_refused_by_name_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new_format: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.safetensors"
    torch.save({"state_dict": {"a": _Evil()}}, path, _use_new_zipfile_serialization=new_format)
    with pytest.raises(BadWeightFile, match=r"not allowed: (posix|nt)\.system"):
        read_tensors(path)
    assert not (tmp_path / "executed").exists()


@BOTH_FORMATS
def test_harmless_company_of_tensors(tmp_path: Path, new_format: bool) -> None:
    content: dict[str, Any] = {
        "state_dict": {"a": torch.ones(2)},
        "loss": np.float64(0.5),
        "steps": np.int64(3),
    }
    if new_format:
        content["params"] = nn.ParameterDict({"p": nn.Parameter(torch.ones(1))})
    torch.save(content, tmp_path / "m.ckpt", _use_new_zipfile_serialization=new_format)
    assert list(read_tensors(tmp_path / "m.ckpt")) == ["a"]


_LIGHTNING = "pytorch_lightning.callbacks.model_checkpoint"


def test_lightning_callbacks_are_ignored(tmp_path: Path) -> None:
    """A zip pickle that names a class nobody has installed."""
    content = {"state_dict": {"a": torch.ones(2)}, "callbacks": {_Callback: {"best": 1}}}
    torch.save(content, tmp_path / "m.ckpt")
    names = _global(__name__, "_Callback"), _global(_LIGHTNING, "ModelCheckpoint")
    assert list(read_tensors(_rewrite_pickle(tmp_path / "m.ckpt", *names))) == ["a"]


class _Callback:
    pass


def _global(module: str, name: str) -> bytes:
    return b"c" + f"{module}\n{name}\n".encode()


def _rewrite_pickle(path: Path, old: bytes, new: bytes) -> Path:
    result = path.with_name("rewritten.ckpt")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(result, "w") as target:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename.endswith("data.pkl"):
                assert old in content
                content = content.replace(old, new)
            target.writestr(entry, content)
    return result


@pytest.mark.parametrize("size", [0, 10, 200, 2000])
@BOTH_FORMATS
def test_truncated_pickles(tmp_path: Path, size: int, new_format: bool) -> None:
    path = tmp_path / "m.ckpt"
    torch.save({"a": torch.zeros(1000)}, path, _use_new_zipfile_serialization=new_format)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(BadWeightFile):
        read_tensors(path)


def test_truncated_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_file({"a": torch.zeros(1000)}, str(path))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BadWeightFile, match="truncated"):
        read_tensors(path)


def test_pickles_of_something_else(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "list.ckpt")
    with pytest.raises(BadWeightFile, match="no dictionary"):
        read_tensors(tmp_path / "list.ckpt")
    (tmp_path / "page.ckpt").write_text("<html>login first</html>")
    with pytest.raises(BadWeightFile, match="neither"):
        read_tensors(tmp_path / "page.ckpt")
    assert read_pickle(tmp_path / "list.ckpt") == [1, 2]
