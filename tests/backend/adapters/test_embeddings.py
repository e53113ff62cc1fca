from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sdapi_compat.backend.adapters.embeddings import BundledEmbeddings
from sdapi_compat.backend.registry_networks import LoraFile
from sdapi_compat.errors import Fault

Read = Callable[[LoraFile], dict[str, Tensor]]
Write = Callable[[str, dict[str, Tensor]], LoraFile]


@pytest.fixture
def read() -> Read:
    """What a file brings along."""
    bundles = BundledEmbeddings()
    return lambda file: dict(bundles.obtain(file)[1])


@pytest.mark.parametrize("name", ["a.safetensors", "a.pt"])
def test_both_layouts(read: Read, write_adapter: Write, name: str) -> None:
    cat, dog = torch.rand(3, 8).half(), torch.rand(8)
    tensors = {
        "lora_unet_conv_in.diff": torch.zeros(2),
        "bundle_emb.cat.string_to_param.*": cat,
        "bundle_emb.dog.emb_params": dog,
    }
    found = read(write_adapter(name, tensors))
    assert sorted(found) == ["cat", "dog"]
    assert found["cat"].dtype == torch.float32
    assert torch.equal(found["cat"], cat.float())
    assert torch.equal(found["dog"], dog[None])


def test_a_file_without_any(read: Read, write_adapter: Write) -> None:
    assert read(write_adapter("a.safetensors", {"x.diff": torch.zeros(2)})) == {}


def test_what_was_saved_beside_the_parameters_does_not_count(read: Read, write_adapter: Write) -> None:
    tensors = {"bundle_emb.cat.string_to_param.*": torch.ones(2, 8), "bundle_emb.cat.step": torch.zeros(1)}
    assert torch.equal(read(write_adapter("a.safetensors", tensors))["cat"], torch.ones(2, 8))


def test_a_file_is_read_once_until_it_changes(write_adapter: Write) -> None:
    bundles, key = BundledEmbeddings(), "bundle_emb.cat.emb_params"
    file = write_adapter("a.safetensors", {key: torch.ones(1, 8)})
    version, first = bundles.obtain(file)
    assert bundles.obtain(file) == (version, first)
    assert bundles.obtain(file)[1] is first
    write_adapter("a.safetensors", {key: torch.ones(2, 8)})
    changed, second = bundles.obtain(file)
    assert changed != version
    assert second["cat"].shape == (2, 8)


def test_those_for_sdxl_are_left_out(
    read: Read, write_adapter: Write, caplog: pytest.LogCaptureFixture
) -> None:
    tensors = {"bundle_emb.xl.clip_l": torch.zeros(1, 768), "bundle_emb.xl.clip_g": torch.zeros(1, 1280)}
    with caplog.at_level(logging.WARNING):
        assert read(write_adapter("a.safetensors", tensors)) == {}
    assert "'xl'" in caplog.text


def test_a_bad_file_is_named(read: Read, tmp_path: Path) -> None:
    (tmp_path / "bad.pt").write_bytes(b"no weights")
    with pytest.raises(Fault, match=r"Cannot load bad\.pt"):
        read(LoraFile("bad", "bad", tmp_path / "bad.pt", {}))
