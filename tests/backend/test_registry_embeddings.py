from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from sdapi_compat.backend.registry_embeddings import EmbeddingRegistry


def test_answer_of_the_original(golden: Path) -> None:
    split = EmbeddingRegistry.scan(golden / "models" / "embeddings").split(32)
    facts = {
        name: (file.step, file.sd_checkpoint, file.sd_checkpoint_name, file.width, file.vectors)
        for name, file in split.loaded.items()
    }
    assert facts == {"tinyemb": (None, None, None, 32, 2), "tinyti": (123, None, "tinysd", 32, 3)}
    assert split.skipped == {}


def _inversion(vectors: int, width: int, **fields: Any) -> dict[str, Any]:
    return {"string_to_token": {"*": 265}, "string_to_param": {"*": torch.zeros(vectors, width)}, **fields}


@pytest.mark.parametrize(
    ("content", "vectors", "width"),
    [
        (_inversion(3, 8), 3, 8),
        ({"string_to_param": nn.ParameterDict({"star": nn.Parameter(torch.zeros(2, 4))})}, 2, 4),
        ({"clip_g": torch.zeros(2, 1280), "clip_l": torch.zeros(2, 768)}, 2, 2048),
        ({"<concept>": torch.zeros(768)}, 1, 768),
    ],
)
@pytest.mark.parametrize("new_format", [True, False])
def test_layouts(tmp_path: Path, content: Any, vectors: int, width: int, new_format: bool) -> None:
    torch.save(content, tmp_path / "e.pt", _use_new_zipfile_serialization=new_format)
    (file,) = EmbeddingRegistry.scan(tmp_path)
    assert (file.name, file.vectors, file.width) == ("e", vectors, width)


def test_facts_of_the_training(tmp_path: Path) -> None:
    torch.save(_inversion(1, 8, step=7, sd_checkpoint="abc", sd_checkpoint_name="m"), tmp_path / "a.pt")
    torch.save(_inversion(1, 8, step=None, sd_checkpoint=3), tmp_path / "b.bin")
    first, second = EmbeddingRegistry.scan(tmp_path)
    assert (first.step, first.sd_checkpoint, first.sd_checkpoint_name) == (7, "abc", "m")
    assert (second.step, second.sd_checkpoint, second.sd_checkpoint_name) == (None, None, None)


def test_split_by_width_sorts_what_fits(tmp_path: Path) -> None:
    for name, width in (("b", 8), ("A", 8), ("z", 16), ("c", 16)):
        save_file({"emb_params": torch.zeros(1, width)}, str(tmp_path / f"{name}.safetensors"))
    registry = EmbeddingRegistry.scan(tmp_path)
    split = registry.split(8)
    assert list(split.loaded) == ["A", "b"]
    assert sorted(split.skipped) == ["c", "z"]
    assert list(registry.split(None).loaded) == ["A", "b", "c", "z"]
    assert len(registry) == 4
    assert registry.find("z") is not None
    assert registry.find("missing") is None


def test_unreadable_files_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "empty.pt").write_bytes(b"")
    (tmp_path / "text.pt").write_text("hello")
    torch.save([1, 2], tmp_path / "list.pt")
    torch.save({"a": torch.zeros(1, 2), "b": torch.zeros(1, 2)}, tmp_path / "two.pt")
    torch.save({"a": torch.zeros(1, 2, 3)}, tmp_path / "cube.pt")
    torch.save({"a": 3}, tmp_path / "number.pt")
    with caplog.at_level(logging.WARNING):
        assert list(EmbeddingRegistry.scan(tmp_path)) == []
    for name in ("text", "list", "two", "cube", "number"):
        assert f"{name}.pt" in caplog.text
    assert "empty.pt" not in caplog.text
