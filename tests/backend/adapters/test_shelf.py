from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sdapi_compat.backend.adapters.shelf import AdapterShelf
from sdapi_compat.backend.registry_networks import LoraFile
from sdapi_compat.errors import Fault

Write = Callable[[str, dict[str, Tensor]], LoraFile]
PARTS = {
    "x.lora_up.weight": torch.ones(2, 1),
    "x.lora_down.weight": torch.ones(1, 2),
    "x.alpha": torch.tensor(1.0),
}


@pytest.mark.parametrize("name", ["a.safetensors", "a.pt", "a.ckpt"])
def test_tensors_are_sorted_into_layers(write_adapter: Write, name: str) -> None:
    tensors = PARTS | {
        "y.diff": torch.zeros(3),
        "odd": torch.zeros(1),
        "bundle_emb.cat.emb_params": torch.zeros(1, 8),
    }
    (found,) = AdapterShelf().obtain([write_adapter(name, tensors)])
    assert {layer: sorted(parts) for layer, parts in found.layers.items()} == {
        "x": ["alpha", "lora_down", "lora_up"],
        "y": ["diff"],
    }
    assert found.unknown == ("odd",)
    assert torch.equal(found.layers["x"]["lora_up"], torch.ones(2, 1))


def test_files_in_use_are_kept_and_others_up_to_the_limit(write_adapter: Write) -> None:
    a, b, c = (write_adapter(f"{name}.safetensors", PARTS) for name in "abc")
    shelf = AdapterShelf()
    first = shelf.obtain([a])[0]
    assert shelf.obtain([a])[0] is first
    second = shelf.obtain([b, a])
    assert second[1] is first
    shelf.obtain([b])
    again = shelf.obtain([a])[0]
    assert again is not first
    shelf.limit = 2
    shelf.obtain([b])
    shelf.obtain([c])
    assert shelf.obtain([a])[0] is again
    shelf.limit = 0
    shelf.obtain([])
    assert shelf.obtain([a])[0] is not again


def test_a_changed_file_is_read_again(write_adapter: Write) -> None:
    file = write_adapter("a.safetensors", PARTS)
    shelf = AdapterShelf()
    first = shelf.obtain([file])[0]
    write_adapter("a.safetensors", {"x.diff": torch.zeros(2)})
    os.utime(file.path, ns=(1, 1))
    assert shelf.obtain([file])[0] is not first
    assert list(shelf.obtain([file])[0].layers["x"]) == ["diff"]


@pytest.mark.parametrize("content", [b"", b"<html>", b"\xff" * 9, b"PK\x03\x04 no zip"])
def test_files_that_cannot_be_read_are_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(Fault, match=r"Cannot load bad\.safetensors: "):
        AdapterShelf().obtain([LoraFile("bad", "bad", path, {})])


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(Fault, match=r"Cannot load gone\.pt: "):
        AdapterShelf().obtain([LoraFile("gone", "gone", tmp_path / "gone.pt", {})])


def test_a_pickle_of_tensors_without_elements_is_refused(write_adapter: Write) -> None:
    file = write_adapter("bomb.pt", {"x.diff": torch.zeros(1).expand(10**6, 10**6)})
    with pytest.raises(Fault, match=r"Cannot load bomb\.pt: 'x.diff' has the shape \[1000000, 1000000\]"):
        AdapterShelf().obtain([file])


def test_a_pickle_that_runs_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    torch.save({"x.diff": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(Fault, match=r"Cannot load evil\.pt: .*system"):
        AdapterShelf().obtain([LoraFile("evil", "evil", tmp_path / "evil.pt", {})])
    assert not (tmp_path / "ran").exists()
