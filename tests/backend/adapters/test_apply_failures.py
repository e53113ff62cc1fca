"""Adapters that cannot be applied leave the weights as they were."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sdapi_compat.backend.adapters.apply import AdapterSet
from sdapi_compat.backend.adapters.wish import AdapterWish
from sdapi_compat.backend.model import DiffusionModel
from sdapi_compat.backend.registry_networks import LoraFile
from sdapi_compat.errors import Fault
from tests.backend.adapters.applying import (
    KOHYA_QUERY,
    QUERY,
    Write,
    same,
    weight_at,
    weights_of,
)


def test_unknown_names_are_reported_once(
    model: DiffusionModel, adapters: AdapterSet, write_adapter: Write, caplog: pytest.LogCaptureFixture
) -> None:
    tensors = {
        "lora_te2_x.alpha": torch.tensor(1.0),
        "odd": torch.zeros(1),
        f"{KOHYA_QUERY}.diff": torch.ones(64, 64),
    }
    file = write_adapter("other.safetensors", tensors)
    base = weight_at(model, QUERY).clone()
    with caplog.at_level(logging.WARNING):
        for strength in (1.0, 0.5, 1.0):
            adapters.apply([AdapterWish(file, 1.0, strength)])
    assert [record.getMessage() for record in caplog.records] == [
        "other.safetensors: 2 names match no layer of tiny.safetensors, such as odd"
    ]
    assert torch.equal(weight_at(model, QUERY), base + 1)


LOHA = ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")

BAD: dict[str, dict[str, Tensor]] = {
    "another width": {"lora_up.weight": torch.ones(64, 2), "lora_down.weight": torch.ones(2, 63)},
    "ranks that differ": {"lora_up.weight": torch.ones(64, 2), "lora_down.weight": torch.ones(3, 64)},
    "no matrix": {"lora_up.weight": torch.ones(()), "lora_down.weight": torch.ones(())},
    "vectors": {"lora_up.weight": torch.ones(64), "lora_down.weight": torch.ones(64)},
    "an outer product": {"lora_up.weight": torch.ones(30000, 1), "lora_down.weight": torch.ones(1, 30000)},
    "empty": {"lora_up.weight": torch.ones(64, 0), "lora_down.weight": torch.ones(0, 0)},
    "alpha of many": {
        "lora_up.weight": torch.ones(64, 2), "lora_down.weight": torch.ones(2, 64), "alpha": torch.ones(5),
    },
    "half an algorithm": {"lora_up.weight": torch.ones(64, 2)},
    "loha": {name: torch.ones(3) for name in LOHA},
    "loha core": {**{name: torch.ones(2, 64) for name in LOHA}, "hada_t1": torch.ones(2)},
    "lokr": {"lokr_w1": torch.ones(()), "lokr_w2": torch.ones(64, 64)},
    "ia3": {"weight": torch.ones(64), "on_input": torch.ones(2)},
    "glora": {f"{n}.weight": torch.ones(64) for n in ("a1", "a2", "b1", "b2")},
    "oft": {"oft_blocks": torch.ones(8, 8, 3)},
    "boft": {"oft_blocks": torch.zeros(9, 8, 8, 8)},
    "boft of ones": {"oft_blocks": torch.zeros(1, 64, 1, 1)},
    "rescale": {"oft_diag": torch.ones(8, 8, 8), "rescale": torch.ones(5)},
    "dora": {"diff": torch.ones(64, 64), "dora_scale": torch.ones(3, 3)},
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_named_and_leaves_the_base(
    model: DiffusionModel, adapters: AdapterSet, lora: LoraFile, write_adapter: Write, name: str
) -> None:
    """The good file before and after the bad one, and the text encoder, are taken back too."""
    before = weights_of(model)
    bad = write_adapter(
        "bad.safetensors", {f"{KOHYA_QUERY}.{part}": tensor for part, tensor in BAD[name].items()}
    )
    with pytest.raises(Fault, match=rf"Cannot apply bad\.safetensors: {KOHYA_QUERY}: ") as caught:
        adapters.apply([AdapterWish(lora, 1.0, 1.0), AdapterWish(bad, 1.0, 1.0)])
    assert caught.value.name == "RuntimeError"
    assert same(weights_of(model), before)
    assert adapters.applied == ()
    adapters.apply([AdapterWish(lora, 1.0, 1.0)])
    assert not same(weights_of(model), before)


def test_a_file_that_cannot_be_read_leaves_the_base(
    model: DiffusionModel, adapters: AdapterSet, lora: LoraFile, tmp_path: Path
) -> None:
    before = weights_of(model)
    adapters.apply([AdapterWish(lora, 1.0, 1.0)])
    gone = LoraFile("gone", "gone", tmp_path / "gone.safetensors", {})
    with pytest.raises(Fault, match=r"Cannot load gone\.safetensors"):
        adapters.apply([AdapterWish(lora, 1.0, 1.0), AdapterWish(gone, 1.0, 1.0)])
    assert same(weights_of(model), before)


def test_lack_of_memory_leaves_the_base_and_stays_what_it_is(
    model: DiffusionModel, adapters: AdapterSet, lora: LoraFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_memory(*_arguments: object) -> None:
        raise torch.OutOfMemoryError

    before = weights_of(model)
    monkeypatch.setattr("sdapi_compat.backend.adapters.apply.change", out_of_memory)
    with pytest.raises(torch.OutOfMemoryError):
        adapters.apply([AdapterWish(lora, 1.0, 1.0)])
    assert same(weights_of(model), before)


def test_weights_behind_hooks_are_refused(unet: Any, lora: LoraFile) -> None:
    with torch.device("meta"):
        text = nn.ModuleDict({"encoder_layers_1_mlp_fc1": nn.Linear(8, 16)})
    info = SimpleNamespace(name="x")
    model: Any = SimpleNamespace(
        unet=unet, text=SimpleNamespace(module=text), device=torch.device("cpu"), info=info
    )
    with pytest.raises(Fault, match=r"Cannot apply lora\.safetensors: --lowvram"):
        AdapterSet(model).apply([AdapterWish(lora, 1.0, 0.0)])
