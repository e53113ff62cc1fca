from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sdapi_compat.backend.adapters.switch import NetworkSwitch
from sdapi_compat.backend.adapters.wish import AdapterWish, HypernetworkWish
from sdapi_compat.backend.loading import load_checkpoint
from sdapi_compat.backend.model import DiffusionModel
from sdapi_compat.backend.registry_networks import HypernetworkFile, LoraFile
from sdapi_compat.errors import Fault

Write = Callable[[str, dict[str, Tensor]], LoraFile]


@pytest.fixture
def second(tiny_model: DiffusionModel) -> DiffusionModel:
    """The same checkpoint loaded once more."""
    return load_checkpoint(tiny_model.info, None, tiny_model._policy)


@pytest.fixture
def lora(write_adapter: Write) -> AdapterWish:
    return AdapterWish(
        write_adapter("a.safetensors", {"lora_unet_conv_in.diff": torch.ones(32, 4, 3, 3)}), 1.0, 1.0
    )


@pytest.fixture
def hypernetwork(tmp_path: Path) -> HypernetworkWish:
    state = {"linear.0.weight": torch.eye(8)}
    content: dict[Any, Any] = {8: (state, state)}
    torch.save(content, tmp_path / "h.pt")
    return HypernetworkWish(HypernetworkFile("h", tmp_path / "h.pt"), 1.0)


def _weight(model: DiffusionModel) -> Tensor:
    return model.unet.get_parameter("conv_in.weight")


def _hooks(model: DiffusionModel) -> int:
    return sum(len(module._forward_pre_hooks) for module in model.unet.modules())


def test_another_model_frees_the_one_before(
    tiny_model: DiffusionModel, second: DiffusionModel, lora: AdapterWish, hypernetwork: HypernetworkWish
) -> None:
    base = _weight(tiny_model).clone()
    switch = NetworkSwitch()
    for model, other in ((tiny_model, second), (second, tiny_model), (tiny_model, second)):
        switch.apply(model, [lora], [hypernetwork])
        assert torch.equal(_weight(model), base + 1)
        assert _hooks(model) > 0
        assert torch.equal(_weight(other), base)
        assert _hooks(other) == 0
    switch.release()
    assert torch.equal(_weight(tiny_model), base)
    assert _hooks(tiny_model) == 0


def test_the_same_model_again_keeps_what_it_has(tiny_model: DiffusionModel, lora: AdapterWish) -> None:
    switch = NetworkSwitch()
    switch.apply(tiny_model, [lora])
    _weight(tiny_model).data[0] = 77
    switch.apply(tiny_model, [lora])
    assert (_weight(tiny_model)[0] == 77).all()
    switch.apply(tiny_model, [])
    assert (_weight(tiny_model)[0] != 77).all()
    switch.release()
    switch.release()


def test_a_released_model_can_be_freed(tiny_model: DiffusionModel, lora: AdapterWish) -> None:
    local = load_checkpoint(tiny_model.info, None, tiny_model._policy)
    unet = weakref.ref(local.unet)
    switch = NetworkSwitch()
    switch.apply(local, [lora])
    switch.release()
    del local
    gc.collect()
    assert unet() is None


def test_a_failure_leaves_the_model_without(
    tiny_model: DiffusionModel, lora: AdapterWish, tmp_path: Path
) -> None:
    base = _weight(tiny_model).clone()
    switch = NetworkSwitch()
    switch.apply(tiny_model, [lora])
    gone = AdapterWish(LoraFile("gone", "gone", tmp_path / "gone.pt", {}), 1.0, 1.0)
    with pytest.raises(Fault, match=r"gone\.pt"):
        switch.apply(tiny_model, [lora, gone])
    assert torch.equal(_weight(tiny_model), base)
    switch.release()
