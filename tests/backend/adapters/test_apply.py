"""Adapters are added to the weights, and taken back exactly."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from sdapi_compat.backend.adapters.apply import AdapterSet
from sdapi_compat.backend.adapters.change import change
from sdapi_compat.backend.adapters.shelf import AdapterShelf
from sdapi_compat.backend.adapters.wish import AdapterWish
from sdapi_compat.backend.model import DiffusionModel
from sdapi_compat.backend.registry_networks import LoraFile
from tests.backend.adapters.applying import (
    FC1,
    KOHYA_FC1,
    KOHYA_QUERY,
    QUERY,
    Random,
    Write,
    full_file,
    same,
    weight_at,
    weights_of,
)


def test_base_and_delta_add_up(model: DiffusionModel, adapters: AdapterSet, lora: LoraFile) -> None:
    query, fc1 = weight_at(model, QUERY).clone(), weight_at(model, FC1).clone()
    adapters.apply([AdapterWish(lora, 0.5, -0.25)])
    (file,) = AdapterShelf().obtain([lora])
    query_delta = change(file.layers[KOHYA_QUERY], query).weight
    fc1_delta = change(file.layers[KOHYA_FC1], fc1).weight
    assert torch.equal(weight_at(model, QUERY), query + query_delta * -0.25)
    assert torch.equal(weight_at(model, FC1), fc1 + fc1_delta * 0.5)
    assert adapters.applied == (AdapterWish(lora, 0.5, -0.25),)


def test_only_named_layers_change_and_all_come_back(model: DiffusionModel, lora: LoraFile) -> None:
    before, pointers = weights_of(model), {id(p): p.data_ptr() for p in model.unet.parameters()}
    adapters = AdapterSet(model)
    adapters.apply([AdapterWish(lora, 1.0, 1.0)])
    after = weights_of(model)
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed == {f"unet.{QUERY}.weight", f"text.{FC1}.weight"}
    adapters.apply(())
    assert same(weights_of(model), before)
    assert {id(p): p.data_ptr() for p in model.unet.parameters()} == pointers
    assert adapters.applied == ()


def test_every_layer_of_the_model(model: DiffusionModel, write_adapter: Write, random: Random) -> None:
    """A difference for every weight and bias of the UNet, some of which have none."""
    tensors, biases = {}, 0
    for path, module in model.unet.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            tensors[f"lycoris_{path.replace('.', '_')}.diff"] = random(*module.weight.shape)
            tensors[f"lycoris_{path.replace('.', '_')}.diff_b"] = random(module.weight.shape[0])
            biases += module.bias is None
        elif isinstance(module, nn.GroupNorm | nn.LayerNorm):
            tensors[f"lycoris_{path.replace('.', '_')}.w_norm"] = random(*module.weight.shape)
            tensors[f"lycoris_{path.replace('.', '_')}.b_norm"] = random(*module.weight.shape)
    assert biases > 0
    before = weights_of(model)
    adapters = AdapterSet(model)
    adapters.apply([AdapterWish(write_adapter("all.safetensors", tensors), 1.0, 0.5)])
    after = weights_of(model)
    assert len(after) == len(before) + biases
    for key, tensor in tensors.items():
        name, _, part = key.rpartition(".")
        kind = "bias" if part in ("diff_b", "b_norm") else "weight"
        (path,) = (p for p, _ in model.unet.named_modules() if p and f"lycoris_{p.replace('.', '_')}" == name)
        base = before.get(f"unet.{path}.{kind}", torch.zeros(()))
        assert torch.equal(after[f"unet.{path}.{kind}"], base + tensor * 0.5), key
    model.predict(torch.zeros(1, 4, 8, 8), torch.tensor([1.0]), torch.zeros(1, 77, 8))
    adapters.apply(())
    assert same(weights_of(model), before)


def test_the_picture_follows_and_comes_back(model: DiffusionModel, lora: LoraFile, random: Random) -> None:
    inputs = random(1, 4, 8, 8), torch.tensor([500.0]), random(1, 77, 8)
    plain = model.predict(*inputs)
    adapters = AdapterSet(model)
    adapters.apply([AdapterWish(lora, 1.0, 1.0)])
    assert not torch.equal(model.predict(*inputs), plain)
    adapters.apply([])
    assert torch.equal(model.predict(*inputs), plain)


def test_adapters_add_up_in_the_order_of_the_prompt(
    model: DiffusionModel, adapters: AdapterSet, write_adapter: Write, random: Random
) -> None:
    """(IA)^3 looks at the weight, so the order shows."""
    base = weight_at(model, QUERY).clone()
    plus = full_file(write_adapter, "plus.safetensors", 0.5)
    times = write_adapter(
        "times.safetensors",
        {f"{KOHYA_QUERY}.weight": torch.ones(64), f"{KOHYA_QUERY}.on_input": torch.tensor(0)},
    )
    adapters.apply([AdapterWish(plus, 1.0, 1.0), AdapterWish(times, 1.0, 1.0)])
    torch.testing.assert_close(weight_at(model, QUERY), (base + 0.5) * 2)
    adapters.apply([AdapterWish(times, 1.0, 1.0), AdapterWish(plus, 1.0, 1.0)])
    torch.testing.assert_close(weight_at(model, QUERY), base * 2 + 0.5)


def test_a_file_twice_counts_twice_as_wished_last(
    model: DiffusionModel, adapters: AdapterSet, write_adapter: Write
) -> None:
    base = weight_at(model, QUERY).clone()
    file = full_file(write_adapter, "plus.safetensors", 1.0)
    adapters.apply([AdapterWish(file, 1.0, 7.0), AdapterWish(file, 1.0, 0.25)])
    assert torch.equal(weight_at(model, QUERY), base + 0.25 + 0.25)


def test_the_rank_is_cut(model: DiffusionModel, adapters: AdapterSet, lora: LoraFile) -> None:
    base = weight_at(model, QUERY).clone()
    adapters.apply([AdapterWish(lora, 1.0, 1.0, 1)])
    parts = AdapterShelf().obtain([lora])[0].layers[KOHYA_QUERY]
    one = torch.outer(parts["lora_up"][:, 0], parts["lora_down"][0]) * (2 / 4)
    torch.testing.assert_close(weight_at(model, QUERY), base + one)


def test_the_same_wishes_again_do_nothing(
    model: DiffusionModel, adapters: AdapterSet, lora: LoraFile
) -> None:
    """A mark left on the changed weight stays; other wishes wipe it out."""
    adapters.apply([AdapterWish(lora, 1.0, 1.0)])
    weight = weight_at(model, QUERY)
    weight.data[0, 0] = 77
    adapters.apply((AdapterWish(lora, 1.0, 1.0),))
    assert weight[0, 0] == 77
    adapters.apply([AdapterWish(lora, 1.0, 0.5)])
    assert weight[0, 0] != 77


def test_a_file_replaced_on_disk_counts(
    model: DiffusionModel, adapters: AdapterSet, write_adapter: Write
) -> None:
    base = weight_at(model, QUERY).clone()
    file = full_file(write_adapter, "plus.safetensors", 1.0)
    adapters.apply([AdapterWish(file, 1.0, 1.0)])
    full_file(write_adapter, "plus.safetensors", 2.0)
    os.utime(file.path, ns=(1, 1))
    adapters.apply([AdapterWish(file, 1.0, 1.0)])
    assert torch.equal(weight_at(model, QUERY), base + 2)


def test_a_multiplier_of_zero_changes_nothing(
    model: DiffusionModel, adapters: AdapterSet, lora: LoraFile
) -> None:
    pointer, fc1 = weight_at(model, QUERY).data_ptr(), weight_at(model, FC1).clone()
    adapters.apply([AdapterWish(lora, 1.0, 0.0)])
    assert weight_at(model, QUERY).data_ptr() == pointer
    assert not torch.equal(weight_at(model, FC1), fc1)


@pytest.mark.parametrize("inside", [False, True])
def test_inference_mode(model: DiffusionModel, lora: LoraFile, inside: bool) -> None:
    """Applied in inference mode and taken back outside of it, and the other way round."""
    before = weights_of(model)
    adapters = AdapterSet(model)
    with torch.inference_mode(inside):
        adapters.apply([AdapterWish(lora, 1.0, 1.0)])
    assert not weight_at(model, QUERY).is_inference()
    with torch.inference_mode(not inside):
        adapters.apply([AdapterWish(lora, 1.0, 0.5)])
        adapters.apply(())
    assert same(weights_of(model), before)
    assert not any(parameter.requires_grad for parameter in model.unet.parameters())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_deltas_are_added_in_the_weights_precision(
    dtype: torch.dtype, lora: LoraFile, unet: Any, text: Any
) -> None:
    linear = nn.Linear(8, 16).to(dtype)
    text = SimpleNamespace(module=nn.ModuleDict({"encoder_layers_1_mlp_fc1": linear}))
    info = SimpleNamespace(name="half")
    half: Any = SimpleNamespace(unet=unet, text=text, device=torch.device("cpu"), info=info)
    base = linear.weight.detach().clone()
    adapters = AdapterSet(half)
    adapters.apply([AdapterWish(lora, 0.5, 0.0)])
    parts = AdapterShelf().obtain([lora])[0].layers[KOHYA_FC1]
    delta = (parts["lora_up"] @ parts["lora_down"]) * 0.5
    assert linear.weight.dtype == dtype
    assert torch.equal(linear.weight, base + delta.to(dtype))
    adapters.apply(())
    assert torch.equal(linear.weight, base)


def test_channels_last_stays(model: DiffusionModel, write_adapter: Write, random: Random) -> None:
    weight = weight_at(model, "conv_in")
    original = weight.data
    weight.data = original.to(memory_format=torch.channels_last)
    file = write_adapter("conv.safetensors", {"lora_unet_conv_in.diff": random(*original.shape)})
    adapters = AdapterSet(model)
    adapters.apply([AdapterWish(file, 1.0, 1.0)])
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert not torch.equal(weight, original)
    adapters.apply(())
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(weight, original)
    weight.data = original


def test_bases_can_wait_elsewhere(model: DiffusionModel, lora: LoraFile) -> None:
    before = weights_of(model)
    adapters = AdapterSet(model, base_device=torch.device("cpu"))
    adapters.apply([AdapterWish(lora, 1.0, 1.0)])
    assert not same(weights_of(model), before)
    adapters.restore()
    assert same(weights_of(model), before)


def test_a_weight_that_moved_gets_its_base_where_it_is_now(model: DiffusionModel, lora: LoraFile) -> None:
    """The meta device stands for any other: what comes back there has no values, but the device shows."""
    adapters = AdapterSet(model)
    module = model.unet.get_submodule(QUERY)
    before, base = module.weight, module.weight.data
    adapters.apply([AdapterWish(lora, 0.0, 1.0)])
    module.weight = nn.Parameter(torch.empty(64, 64, device="meta"), requires_grad=False)
    adapters.apply(())
    assert module.weight.is_meta
    before.data = base
    module.weight = before
