from __future__ import annotations

import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sdapi_compat.backend.headers import BadWeightFile
from sdapi_compat.backend.pickle_outline import ModuleOutline, TensorOutline, read_outline

BOTH_FORMATS = pytest.mark.parametrize("new_format", [True, False])


class _Evil:
    def __reduce__(self) -> Any:
        return os.system, ("echo executed > executed",)


def _save(path: Path, value: object, new_format: bool) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=new_format)
    return path


@BOTH_FORMATS
def test_scalars_are_kept_and_tensors_become_shapes(tmp_path: Path, new_format: bool) -> None:
    content = {
        "string_to_param": {"*": torch.zeros(3, 8)},
        "step": 7,
        "name": "x",
        "half": torch.ones(2).half(),
    }
    outline = read_outline(_save(tmp_path / "file.pt", content, new_format))
    assert outline["string_to_param"] == {"*": TensorOutline((3, 8))}
    assert (outline["step"], outline["name"], outline["half"]) == (7, "x", TensorOutline((2,)))


@BOTH_FORMATS
def test_parameters_and_parameter_dicts(tmp_path: Path, new_format: bool) -> None:
    content = {"dict": nn.ParameterDict({"star": nn.Parameter(torch.zeros(2, 4))}), "o": OrderedDict(a=1)}
    outline = read_outline(_save(tmp_path / "file.pt", content, new_format))
    assert isinstance(outline["dict"], ModuleOutline)
    assert outline["dict"].state["_parameters"] == {"star": TensorOutline((2, 4))}
    assert outline["o"] == {"a": 1}


@BOTH_FORMATS
def test_code_is_refused_by_name_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new_format: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    path = _save(tmp_path / "evil.pt", {"a": _Evil()}, new_format)
    with pytest.raises(BadWeightFile, match=r"names (posix|nt)\.system"):
        read_outline(path)
    assert not (tmp_path / "executed").exists()


def test_damaged_files(tmp_path: Path) -> None:
    path = _save(tmp_path / "file.pt", {"a": torch.zeros(4)}, True)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(BadWeightFile, match="damaged"):
        read_outline(path)
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(BadWeightFile, match="neither"):
        read_outline(tmp_path / "text.pt")
    with zipfile.ZipFile(tmp_path / "other.pt", "w") as archive:
        archive.writestr("readme.txt", "no pickle here")
    with pytest.raises(BadWeightFile, match=r"without data\.pkl"):
        read_outline(tmp_path / "other.pt")


def test_a_huge_pickle_inside_a_small_zip_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + b"0" * (17 * 1024 * 1024))
    with pytest.raises(BadWeightFile, match="at most"):
        read_outline(tmp_path / "bomb.pt")


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=120), cut=st.integers(0, 60))
def test_random_pickles_never_raise_anything_else(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, cut: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "random.pt"
    path.write_bytes(pickle.dumps({"a": [1, "b"]}, protocol=2)[:cut] + content)
    try:
        read_outline(path)
    except BadWeightFile:
        return
