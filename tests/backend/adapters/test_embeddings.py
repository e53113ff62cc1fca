from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sdapi_compat.backend.adapters.embeddings import bundled_embeddings
from sdapi_compat.backend.registry_networks import LoraFile
from sdapi_compat.errors import Fault

Write = Callable[[str, dict[str, Tensor]], LoraFile]


@pytest.mark.parametrize("name", ["a.safetensors", "a.pt"])
def test_both_layouts(write_adapter: Write, name: str) -> None:
    cat, dog = torch.rand(3, 8).half(), torch.rand(8)
    tensors = {
        "lora_unet_conv_in.diff": torch.zeros(2),
        "bundle_emb.cat.string_to_param.*": cat,
        "bundle_emb.dog.emb_params": dog,
    }
    found = bundled_embeddings(write_adapter(name, tensors))
    assert sorted(found) == ["cat", "dog"]
    assert found["cat"].dtype == torch.float32
    assert torch.equal(found["cat"], cat.float())
    assert torch.equal(found["dog"], dog[None])


def test_a_file_without_any(write_adapter: Write) -> None:
    assert bundled_embeddings(write_adapter("a.safetensors", {"x.diff": torch.zeros(2)})) == {}


def test_those_for_sdxl_are_left_out(write_adapter: Write, caplog: pytest.LogCaptureFixture) -> None:
    tensors = {"bundle_emb.xl.clip_l": torch.zeros(1, 768), "bundle_emb.xl.clip_g": torch.zeros(1, 1280)}
    with caplog.at_level(logging.WARNING):
        assert bundled_embeddings(write_adapter("a.safetensors", tensors)) == {}
    assert "'xl'" in caplog.text


def test_a_bad_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.pt").write_bytes(b"no weights")
    with pytest.raises(Fault, match=r"Cannot load bad\.pt"):
        bundled_embeddings(LoraFile("bad", "bad", tmp_path / "bad.pt", {}))
