from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sdapi_compat.backend.hashes import HashCache, data_hash
from sdapi_compat.backend.registry_networks import HypernetworkRegistry, LoraRegistry


def _lora(path: Path, **metadata: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"lora_unet_x.alpha": torch.tensor(1.0)}, str(path), metadata=metadata)


def test_fields_of_the_original(golden: Path) -> None:
    (lora,) = LoraRegistry.scan([golden / "models" / "Lora"])
    assert (lora.name, lora.alias) == ("tinylora", "tinylora")
    assert list(lora.metadata) == [
        "ss_sd_model_name",
        "ss_tag_frequency",
        "ss_network_module",
        "ss_network_alpha",
        "ss_output_name",
        "ss_base_model_version",
        "modelspec.architecture",
        "ss_network_dim",
    ]
    assert lora.metadata["ss_tag_frequency"] == {"img": {"tiny": 10, "blob": 4}}
    assert lora.shorthash(HashCache(None)) == "20e7913ac05e"


def test_alias_and_stem_both_find_a_lora(tmp_path: Path) -> None:
    _lora(tmp_path / "a.safetensors", ss_output_name="Nice Name", ssmd_cover_images="[big]")
    _lora(tmp_path / "b.safetensors")
    registry = LoraRegistry.scan([tmp_path])
    assert registry.find("Nice Name") is registry.find("a") is not None
    assert registry.find("nice name") is None
    assert registry.find("missing") is None
    by_alias = registry.find("a")
    assert by_alias is not None
    assert registry.preferred_name(by_alias, by_alias=True) == "Nice Name"
    assert registry.preferred_name(by_alias, by_alias=False) == "a"
    assert "ssmd_cover_images" not in by_alias.metadata


def test_a_shared_alias_is_no_alias(tmp_path: Path) -> None:
    _lora(tmp_path / "a.safetensors", ss_output_name="same")
    _lora(tmp_path / "b.safetensors", ss_output_name="same")
    _lora(tmp_path / "c.safetensors", ss_output_name="None")
    registry = LoraRegistry.scan([tmp_path])
    assert registry.find("same") is None
    assert registry.find("None") is None
    found = registry.find("b")
    assert found is not None
    assert registry.preferred_name(found, by_alias=True) == "b"


def test_later_folders_win_at_the_place_of_the_first(tmp_path: Path) -> None:
    _lora(tmp_path / "lora" / "a.safetensors")
    _lora(tmp_path / "lora" / "b.safetensors")
    _lora(tmp_path / "lyco" / "a.safetensors")
    registry = LoraRegistry.scan([tmp_path / "lora", tmp_path / "lyco", tmp_path / "missing"])
    assert [(file.name, file.path.parent.name) for file in registry] == [("a", "lyco"), ("b", "lora")]
    assert len(registry) == 2


def test_hash_of_the_metadata_comes_first(tmp_path: Path) -> None:
    _lora(tmp_path / "a.safetensors", sshs_model_hash="f" * 64)
    _lora(tmp_path / "b.safetensors")
    torch.save({"x": torch.ones(1)}, tmp_path / "c.pt")
    by_name = {file.name: file for file in LoraRegistry.scan([tmp_path])}
    assert by_name["a"].shorthash(None) == "f" * 12
    assert by_name["b"].shorthash(None) == ""
    assert by_name["b"].full_hash(HashCache(None)) == data_hash(tmp_path / "b.safetensors")
    assert len(by_name["c"].full_hash(HashCache(None))) == 64


def test_damaged_files_stay_in_the_list(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _lora(tmp_path / "a.safetensors", ss_output_name="x")
    content = (tmp_path / "a.safetensors").read_bytes()
    (tmp_path / "a.safetensors").write_bytes(content[:-2])
    with caplog.at_level(logging.WARNING):
        (lora,) = LoraRegistry.scan([tmp_path])
    assert (lora.alias, lora.metadata) == ("a", {})
    assert "truncated" in caplog.text


def test_metadata_is_json(tmp_path: Path) -> None:
    _lora(tmp_path / "a.safetensors", ss_tag_frequency='{"a": {"b": 1}}', ss_datasets="[{}]")
    (lora,) = LoraRegistry.scan([tmp_path])
    assert json.loads(json.dumps(lora.metadata)) == {
        "ss_tag_frequency": {"a": {"b": 1}},
        "ss_datasets": "[{}]",
    }


def test_hypernetworks(tmp_path: Path) -> None:
    for name in ("B.pt", "a.pt", "sub/c.pt", "None.pt", "d.safetensors"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    registry = HypernetworkRegistry.scan(tmp_path)
    assert [file.name for file in registry] == ["a", "B", "c"]
    assert len(registry) == 3
    found = registry.find("c")
    assert found is not None
    assert found.path == tmp_path / "sub" / "c.pt"
    assert registry.find("None") is None
