from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sdapi_compat.backend.adapters.apply import AdapterSet
from sdapi_compat.backend.adapters.change import change
from sdapi_compat.backend.adapters.shelf import AdapterShelf
from sdapi_compat.backend.adapters.wish import AdapterWish
from sdapi_compat.backend.model import DiffusionModel
from sdapi_compat.backend.registry_networks import LoraFile
from sdapi_compat.errors import Fault

Random = Callable[..., Tensor]
Write = Callable[[str, dict[str, Tensor]], LoraFile]
QUERY = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_q"
KOHYA_QUERY = "lora_unet_" + QUERY.replace(".", "_")
FC1 = "encoder.layers.1.mlp.fc1"
KOHYA_FC1 = "lora_te_text_model_" + FC1.replace(".", "_")


def _state(model: DiffusionModel) -> dict[str, Tensor]:
    """A copy of all weights."""
    parts = {"unet": model.unet, "text": model.text.module}
    return {f"{p}.{k}": v.clone() for p, module in parts.items() for k, v in module.state_dict().items()}


def _same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


@pytest.fixture
def model(tiny_model: DiffusionModel) -> Iterator[DiffusionModel]:
    """The tiny model; a test that leaves a trace in it fails."""
    before = _state(tiny_model)
    yield tiny_model
    assert _same(_state(tiny_model), before)


@pytest.fixture
def adapters(model: DiffusionModel) -> Iterator[AdapterSet]:
    made = AdapterSet(model)
    yield made
    made.apply(())


@pytest.fixture
def lora(random: Random, write_adapter: Write) -> LoraFile:
    """A LoRA for a query projection of the UNet (64, 64) and for fc1 of the text encoder (16, 8)."""
    tensors = {
        f"{KOHYA_QUERY}.lora_up.weight": random(64, 4),
        f"{KOHYA_QUERY}.lora_down.weight": random(4, 64),
        f"{KOHYA_QUERY}.alpha": torch.tensor(2.0),
        f"{KOHYA_FC1}.lora_up.weight": random(16, 2),
        f"{KOHYA_FC1}.lora_down.weight": random(2, 8),
    }
    return write_adapter("lora.safetensors", tensors)


def _weight(model: DiffusionModel, path: str) -> Tensor:
    root: nn.Module = model.text.module if path.startswith("encoder") else model.unet
    return root.get_parameter(f"{path}.weight")


def _full(write: Write, name: str, value: float) -> LoraFile:
    """A file that adds `value` to every element of the query projection."""
    return write(name, {f"{KOHYA_QUERY}.diff": torch.full((64, 64), value)})


def test_base_and_delta_add_up(model: DiffusionModel, adapters: AdapterSet, lora: LoraFile) -> None:
    query, fc1 = _weight(model, QUERY).clone(), _weight(model, FC1).clone()
    adapters.apply([AdapterWish(lora, 0.5, -0.25)])
    (file,) = AdapterShelf().obtain([lora])
    query_delta = change(file.layers[KOHYA_QUERY], query).weight
    fc1_delta = change(file.layers[KOHYA_FC1], fc1).weight
    assert torch.equal(_weight(model, QUERY), query + query_delta * -0.25)
    assert torch.equal(_weight(model, FC1), fc1 + fc1_delta * 0.5)
    assert adapters.applied == (AdapterWish(lora, 0.5, -0.25),)


def test_only_named_layers_change_and_all_come_back(model: DiffusionModel, lora: LoraFile) -> None:
    before, pointers = _state(model), {id(p): p.data_ptr() for p in model.unet.parameters()}
    adapters = AdapterSet(model)
    adapters.apply([AdapterWish(lora, 1.0, 1.0)])
    after = _state(model)
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed == {f"unet.{QUERY}.weight", f"text.{FC1}.weight"}
    adapters.apply(())
    assert _same(_state(model), before)
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
    before = _state(model)
    adapters = AdapterSet(model)
    adapters.apply([AdapterWish(write_adapter("all.safetensors", tensors), 1.0, 0.5)])
    after = _state(model)
    assert len(after) == len(before) + biases
    for key, tensor in tensors.items():
        name, _, part = key.rpartition(".")
        kind = "bias" if part in ("diff_b", "b_norm") else "weight"
        (path,) = (p for p, _ in model.unet.named_modules() if p and f"lycoris_{p.replace('.', '_')}" == name)
        base = before.get(f"unet.{path}.{kind}", torch.zeros(()))
        assert torch.equal(after[f"unet.{path}.{kind}"], base + tensor * 0.5), key
    model.predict(torch.zeros(1, 4, 8, 8), torch.tensor([1.0]), torch.zeros(1, 77, 8))
    adapters.apply(())
    assert _same(_state(model), before)


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
    base = _weight(model, QUERY).clone()
    plus = _full(write_adapter, "plus.safetensors", 0.5)
    times = write_adapter(
        "times.safetensors",
        {f"{KOHYA_QUERY}.weight": torch.ones(64), f"{KOHYA_QUERY}.on_input": torch.tensor(0)},
    )
    adapters.apply([AdapterWish(plus, 1.0, 1.0), AdapterWish(times, 1.0, 1.0)])
    torch.testing.assert_close(_weight(model, QUERY), (base + 0.5) * 2)
    adapters.apply([AdapterWish(times, 1.0, 1.0), AdapterWish(plus, 1.0, 1.0)])
    torch.testing.assert_close(_weight(model, QUERY), base * 2 + 0.5)


def test_a_file_twice_counts_twice_as_wished_last(
    model: DiffusionModel, adapters: AdapterSet, write_adapter: Write
) -> None:
    base = _weight(model, QUERY).clone()
    file = _full(write_adapter, "plus.safetensors", 1.0)
    adapters.apply([AdapterWish(file, 1.0, 7.0), AdapterWish(file, 1.0, 0.25)])
    assert torch.equal(_weight(model, QUERY), base + 0.25 + 0.25)


def test_the_rank_is_cut(model: DiffusionModel, adapters: AdapterSet, lora: LoraFile) -> None:
    base = _weight(model, QUERY).clone()
    adapters.apply([AdapterWish(lora, 1.0, 1.0, 1)])
    parts = AdapterShelf().obtain([lora])[0].layers[KOHYA_QUERY]
    one = torch.outer(parts["lora_up"][:, 0], parts["lora_down"][0]) * (2 / 4)
    torch.testing.assert_close(_weight(model, QUERY), base + one)


def test_the_same_wishes_again_do_nothing(
    model: DiffusionModel, adapters: AdapterSet, lora: LoraFile
) -> None:
    """A mark left on the changed weight stays; other wishes wipe it out."""
    adapters.apply([AdapterWish(lora, 1.0, 1.0)])
    weight = _weight(model, QUERY)
    weight.data[0, 0] = 77
    adapters.apply((AdapterWish(lora, 1.0, 1.0),))
    assert weight[0, 0] == 77
    adapters.apply([AdapterWish(lora, 1.0, 0.5)])
    assert weight[0, 0] != 77


def test_a_file_replaced_on_disk_counts(
    model: DiffusionModel, adapters: AdapterSet, write_adapter: Write
) -> None:
    base = _weight(model, QUERY).clone()
    file = _full(write_adapter, "plus.safetensors", 1.0)
    adapters.apply([AdapterWish(file, 1.0, 1.0)])
    _full(write_adapter, "plus.safetensors", 2.0)
    os.utime(file.path, ns=(1, 1))
    adapters.apply([AdapterWish(file, 1.0, 1.0)])
    assert torch.equal(_weight(model, QUERY), base + 2)


def test_a_multiplier_of_zero_changes_nothing(
    model: DiffusionModel, adapters: AdapterSet, lora: LoraFile
) -> None:
    pointer, fc1 = _weight(model, QUERY).data_ptr(), _weight(model, FC1).clone()
    adapters.apply([AdapterWish(lora, 1.0, 0.0)])
    assert _weight(model, QUERY).data_ptr() == pointer
    assert not torch.equal(_weight(model, FC1), fc1)


@pytest.mark.parametrize("inside", [False, True])
def test_inference_mode(model: DiffusionModel, lora: LoraFile, inside: bool) -> None:
    """Applied in inference mode and taken back outside of it, and the other way round."""
    before = _state(model)
    adapters = AdapterSet(model)
    with torch.inference_mode(inside):
        adapters.apply([AdapterWish(lora, 1.0, 1.0)])
    assert not _weight(model, QUERY).is_inference()
    with torch.inference_mode(not inside):
        adapters.apply([AdapterWish(lora, 1.0, 0.5)])
        adapters.apply(())
    assert _same(_state(model), before)
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
    weight = _weight(model, "conv_in")
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
    before = _state(model)
    adapters = AdapterSet(model, base_device=torch.device("cpu"))
    adapters.apply([AdapterWish(lora, 1.0, 1.0)])
    assert not _same(_state(model), before)
    adapters.restore()
    assert _same(_state(model), before)


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


def test_unknown_names_are_reported_once(
    model: DiffusionModel, adapters: AdapterSet, write_adapter: Write, caplog: pytest.LogCaptureFixture
) -> None:
    tensors = {
        "lora_te2_x.alpha": torch.tensor(1.0),
        "odd": torch.zeros(1),
        f"{KOHYA_QUERY}.diff": torch.ones(64, 64),
    }
    file = write_adapter("other.safetensors", tensors)
    base = _weight(model, QUERY).clone()
    with caplog.at_level(logging.WARNING):
        for strength in (1.0, 0.5, 1.0):
            adapters.apply([AdapterWish(file, 1.0, strength)])
    assert [record.getMessage() for record in caplog.records] == [
        "other.safetensors: 2 names match no layer of tiny.safetensors, such as odd"
    ]
    assert torch.equal(_weight(model, QUERY), base + 1)


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
    before = _state(model)
    bad = write_adapter(
        "bad.safetensors", {f"{KOHYA_QUERY}.{part}": tensor for part, tensor in BAD[name].items()}
    )
    with pytest.raises(Fault, match=rf"Cannot apply bad\.safetensors: {KOHYA_QUERY}: ") as caught:
        adapters.apply([AdapterWish(lora, 1.0, 1.0), AdapterWish(bad, 1.0, 1.0)])
    assert caught.value.name == "RuntimeError"
    assert _same(_state(model), before)
    assert adapters.applied == ()
    adapters.apply([AdapterWish(lora, 1.0, 1.0)])
    assert not _same(_state(model), before)


def test_a_file_that_cannot_be_read_leaves_the_base(
    model: DiffusionModel, adapters: AdapterSet, lora: LoraFile, tmp_path: Path
) -> None:
    before = _state(model)
    adapters.apply([AdapterWish(lora, 1.0, 1.0)])
    gone = LoraFile("gone", "gone", tmp_path / "gone.safetensors", {})
    with pytest.raises(Fault, match=r"Cannot load gone\.safetensors"):
        adapters.apply([AdapterWish(lora, 1.0, 1.0), AdapterWish(gone, 1.0, 1.0)])
    assert _same(_state(model), before)


def test_lack_of_memory_leaves_the_base_and_stays_what_it_is(
    model: DiffusionModel, adapters: AdapterSet, lora: LoraFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_memory(*_arguments: object) -> None:
        raise torch.OutOfMemoryError

    before = _state(model)
    monkeypatch.setattr("sdapi_compat.backend.adapters.apply.change", out_of_memory)
    with pytest.raises(torch.OutOfMemoryError):
        adapters.apply([AdapterWish(lora, 1.0, 1.0)])
    assert _same(_state(model), before)


def test_weights_behind_hooks_are_refused(unet: Any, lora: LoraFile) -> None:
    with torch.device("meta"):
        text = nn.ModuleDict({"encoder_layers_1_mlp_fc1": nn.Linear(8, 16)})
    info = SimpleNamespace(name="x")
    model: Any = SimpleNamespace(
        unet=unet, text=SimpleNamespace(module=text), device=torch.device("cpu"), info=info
    )
    with pytest.raises(Fault, match=r"Cannot apply lora\.safetensors: --lowvram"):
        AdapterSet(model).apply([AdapterWish(lora, 1.0, 0.0)])
