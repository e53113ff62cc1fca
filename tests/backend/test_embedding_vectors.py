from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from sdapi_compat.backend.embedding_vectors import EmbeddingVectors, read_vectors
from sdapi_compat.backend.headers import BadWeightFile
from sdapi_compat.backend.registry_embeddings import EmbeddingRegistry
from sdapi_compat.errors import Fault


def test_embeddings_of_the_original(golden: Path) -> None:
    files = list(EmbeddingRegistry.scan(golden / "models" / "embeddings"))
    vectors = EmbeddingVectors().obtain(files)
    for file in files:
        assert vectors[file.name].shape == (file.vectors, file.width)
        assert vectors[file.name].dtype == torch.float32


@pytest.mark.parametrize(
    "content",
    [
        {"string_to_param": {"*": torch.arange(6.0).reshape(2, 3)}, "step": 1},
        {"string_to_param": nn.ParameterDict({"star": nn.Parameter(torch.arange(6.0).reshape(2, 3))})},
        {"<concept>": torch.arange(6.0).reshape(2, 3).half()},
    ],
)
def test_layouts(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "e.pt")
    assert read_vectors(tmp_path / "e.pt").tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_single_vector_is_a_row(tmp_path: Path) -> None:
    save_file({"emb_params": torch.arange(3.0)}, str(tmp_path / "e.safetensors"))
    assert read_vectors(tmp_path / "e.safetensors").tolist() == [[0, 1, 2]]


@pytest.mark.parametrize("content", [[1], {"a": torch.zeros(1), "b": torch.zeros(1)}, {"a": 3}])
def test_other_content_is_refused(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "e.pt")
    with pytest.raises(BadWeightFile, match="one matrix"):
        read_vectors(tmp_path / "e.pt")


def test_vectors_are_read_once_per_version(tmp_path: Path) -> None:
    path = tmp_path / "e.safetensors"
    save_file({"emb_params": torch.zeros(1, 3)}, str(path))
    shelf = EmbeddingVectors()
    (file,) = EmbeddingRegistry.scan(tmp_path)
    first = shelf.obtain([file])["e"]
    save_file({"emb_params": torch.ones(1, 3)}, str(path))
    assert shelf.obtain([file])["e"] is first
    os.utime(path, ns=(1, 1))
    (changed,) = EmbeddingRegistry.scan(tmp_path)
    assert shelf.obtain([changed])["e"].tolist() == [[1, 1, 1]]


def test_a_vanished_file_is_named(tmp_path: Path) -> None:
    save_file({"emb_params": torch.zeros(1, 3)}, str(tmp_path / "e.safetensors"))
    (file,) = EmbeddingRegistry.scan(tmp_path)
    file.path.unlink()
    with pytest.raises(Fault, match=r"Cannot load e\.safetensors"):
        EmbeddingVectors().obtain([file])
