from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sdapi_compat.backend.adapters.hypernet import HypernetworkSet, read_hypernetwork
from sdapi_compat.backend.adapters.wish import HypernetworkWish
from sdapi_compat.backend.model import DiffusionModel
from sdapi_compat.backend.registry_networks import HypernetworkFile
from sdapi_compat.errors import Fault

Random = Callable[..., Tensor]
State = dict[str, Tensor]
ATTENTION = "down_blocks.1.attentions.0.transformer_blocks.0"
CONTEXT, INNER = 8, 64


def _linears(random: Random, width: int, *hidden: int, old: bool = False) -> State:
    state: State = {}
    inside = width
    for index, outside in enumerate((*hidden, width)):
        name = f"linear{index + 1}" if old else f"linear.{index}"
        state |= {f"{name}.weight": random(outside, inside) * 0.1, f"{name}.bias": random(outside)}
        inside = outside
    return state


def _write(path: Path, states: dict[int, tuple[State, State]], **settings: Any) -> HypernetworkFile:
    content: dict[Any, Any] = {**states, "step": 7, "name": path.stem, **settings}
    torch.save(content, path)
    return HypernetworkFile(path.stem, path)


def _mlp(state: State, x: Tensor) -> Tensor:
    return F.linear(F.linear(x, state["linear.0.weight"], state["linear.0.bias"]),
                    state["linear.1.weight"], state["linear.1.bias"])  # fmt: skip


@pytest.fixture
def seen(tiny_model: DiffusionModel) -> Iterator[dict[str, Tensor]]:
    """What the key and value projections of one block were given last."""
    inputs: dict[str, Tensor] = {}
    handles = []
    for name in ("attn1.to_k", "attn1.to_v", "attn2.to_k", "attn2.to_v"):

        def note(_module: object, args: tuple[Tensor, ...], _output: Tensor, name: str = name) -> None:
            inputs[name] = args[0]

        handles.append(tiny_model.unet.get_submodule(f"{ATTENTION}.{name}").register_forward_hook(note))
    yield inputs
    for handle in handles:
        handle.remove()


@pytest.fixture
def predict(tiny_model: DiffusionModel, random: Random) -> Callable[[], Tensor]:
    inputs = random(1, 4, 8, 8), torch.tensor([500.0]), random(1, 77, CONTEXT)
    return lambda: tiny_model.predict(*inputs)


def test_keys_and_values_get_their_own_contexts(
    tiny_model: DiffusionModel,
    predict: Callable[[], Tensor],
    seen: dict[str, Tensor],
    random: Random,
    tmp_path: Path,
) -> None:
    keys, values = _linears(random, CONTEXT, 16), _linears(random, CONTEXT, 16)
    plain = predict()
    context, inner = seen["attn2.to_k"], seen["attn1.to_k"]
    networks = HypernetworkSet(tiny_model)
    networks.apply([HypernetworkWish(_write(tmp_path / "h.pt", {CONTEXT: (keys, values)}), 0.5)])
    assert not torch.equal(predict(), plain)
    torch.testing.assert_close(seen["attn2.to_k"], context + _mlp(keys, context) * 0.5)
    torch.testing.assert_close(seen["attn2.to_v"], context + _mlp(values, context) * 0.5)
    assert torch.equal(seen["attn1.to_k"], inner)
    networks.apply(())
    assert torch.equal(predict(), plain)
    assert not any(module._forward_pre_hooks for module in tiny_model.unet.modules())


def test_self_attention_and_several_networks(
    tiny_model: DiffusionModel,
    predict: Callable[[], Tensor],
    seen: dict[str, Tensor],
    random: Random,
    tmp_path: Path,
) -> None:
    states = [_linears(random, INNER, 64) for _ in range(4)]
    first = _write(tmp_path / "a.pt", {INNER: (states[0], states[1])})
    second = _write(tmp_path / "b.pt", {INNER: (states[2], states[3])})
    networks = HypernetworkSet(tiny_model)
    predict()
    inner = seen["attn1.to_v"]
    networks.apply([HypernetworkWish(first, 1.0), HypernetworkWish(second, -0.5)])
    predict()
    after_first = inner + _mlp(states[1], inner)
    want = after_first - 0.5 * _mlp(states[3], after_first)
    torch.testing.assert_close(seen["attn1.to_v"], want, atol=1e-4, rtol=1e-4)
    networks.apply(())


def test_the_same_wishes_again_keep_the_hooks(
    tiny_model: DiffusionModel, random: Random, tmp_path: Path
) -> None:
    state = _linears(random, CONTEXT, 8)
    wish = HypernetworkWish(_write(tmp_path / "h.pt", {CONTEXT: (state, state)}), 1.0)
    networks = HypernetworkSet(tiny_model)
    networks.apply([wish])
    hooks = dict(tiny_model.unet.get_submodule(f"{ATTENTION}.attn2.to_k")._forward_pre_hooks)
    networks.apply([wish])
    assert dict(tiny_model.unet.get_submodule(f"{ATTENTION}.attn2.to_k")._forward_pre_hooks) == hooks
    networks.apply(())


def test_a_file_that_changed_is_read_again(
    tiny_model: DiffusionModel, predict: Callable[[], Tensor], random: Random, tmp_path: Path
) -> None:
    first, second = _linears(random, CONTEXT, 8), _linears(random, CONTEXT, 8)
    wish = HypernetworkWish(_write(tmp_path / "h.pt", {CONTEXT: (first, first)}), 1.0)
    networks = HypernetworkSet(tiny_model)
    networks.apply([wish])
    before = predict()
    _write(tmp_path / "h.pt", {CONTEXT: (second, second)})
    os.utime(tmp_path / "h.pt", ns=(1, 1))
    networks.apply([wish])
    assert not torch.equal(predict(), before)
    networks.apply(())


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("linear", lambda x: x), (None, lambda x: x), ("relu", F.relu), ("leakyrelu", F.leaky_relu),
        ("elu", F.elu), ("swish", F.hardswish), ("tanh", torch.tanh), ("sigmoid", torch.sigmoid),
        ("Softsign", F.softsign),
    ],
)  # fmt: skip
@pytest.mark.parametrize("at_the_end", [True, False])
def test_activations(
    random: Random, tmp_path: Path, name: str | None, function: Callable[[Tensor], Tensor], at_the_end: bool
) -> None:
    state = _linears(random, 4, 6)
    file = _write(tmp_path / "h.pt", {4: (state, state)}, activation_func=name, activate_output=at_the_end)
    network = read_hypernetwork(file).pairs[4][0]
    x = random(3, 4)
    inner = function(F.linear(x, state["linear.0.weight"], state["linear.0.bias"]))
    want = F.linear(inner, state["linear.1.weight"], state["linear.1.bias"])
    torch.testing.assert_close(network(x), function(want) if at_the_end else want)


def test_layer_norms_come_after_the_activation_and_dropout_is_gone(random: Random, tmp_path: Path) -> None:
    """Numbers of the original: linear 0, activation 1, norm 2, dropout 3, linear 4, norm 5."""
    state = {
        "linear.0.weight": random(6, 4), "linear.0.bias": random(6),
        "linear.2.weight": random(6), "linear.2.bias": random(6),
        "linear.4.weight": random(4, 6), "linear.4.bias": random(4),
        "linear.5.weight": random(4), "linear.5.bias": random(4),
    }  # fmt: skip
    settings = {
        "activation_func": "relu",
        "activate_output": False,
        "use_dropout": True,
        "is_layer_norm": True,
    }
    network = read_hypernetwork(_write(tmp_path / "h.pt", {4: (state, state)}, **settings)).pairs[4][1]
    x = random(3, 4)
    inner = F.relu(F.linear(x, state["linear.0.weight"], state["linear.0.bias"]))
    inner = F.layer_norm(inner, (6,), state["linear.2.weight"], state["linear.2.bias"])
    want = F.linear(inner, state["linear.4.weight"], state["linear.4.bias"])
    want = F.layer_norm(want, (4,), state["linear.5.weight"], state["linear.5.bias"])
    torch.testing.assert_close(network(x), want)


def test_old_key_names(random: Random, tmp_path: Path) -> None:
    torch.manual_seed(0)
    state = _linears(random, 4, 8, old=True)
    network = read_hypernetwork(_write(tmp_path / "h.pt", {4: (state, state)})).pairs[4][0]
    x = random(2, 4)
    want = F.linear(F.linear(x, state["linear1.weight"], state["linear1.bias"]),
                    state["linear2.weight"], state["linear2.bias"])  # fmt: skip
    torch.testing.assert_close(network(x), want)


BAD: dict[str, Any] = {
    "one network": {4: ({"linear.0.weight": torch.ones(4, 4)},)},
    "a number": {4: 5},
    "a text": {4: "text"},
    "no layers": {4: ({}, {})},
    "another width": {4: ({"linear.0.weight": torch.ones(4, 5)},) * 2},
    "an end of another width": {4: ({"linear.0.weight": torch.ones(5, 4)},) * 2},
    "a bias of another width": {
        4: ({"linear.0.weight": torch.ones(4, 4), "linear.0.bias": torch.ones(3)},) * 2,
    },
    "a bias alone": {4: ({"linear.0.bias": torch.ones(3)},) * 2},
    "a cube": {4: ({"linear.0.weight": torch.ones(4, 4, 4)},) * 2},
    "a scalar": {4: ({"linear.0.weight": torch.ones(())},) * 2},
    "no tensor": {4: ({"linear.0.weight": "text"},) * 2},
    "no elements": {4: ({"linear.0.weight": torch.ones(1).expand(4, 4)},) * 2},
    "an unknown activation": {"activation_func": "module.system"},
    "an odd activation": {"activation_func": ["relu"]},
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_named_and_nothing_is_active(
    tiny_model: DiffusionModel, random: Random, tmp_path: Path, name: str
) -> None:
    torch.save(BAD[name], tmp_path / "bad.pt")
    state = _linears(random, CONTEXT, 8)
    good = _write(tmp_path / "good.pt", {CONTEXT: (state, state)})
    networks = HypernetworkSet(tiny_model)
    networks.apply([HypernetworkWish(good, 1.0)])
    bad = HypernetworkFile("bad", tmp_path / "bad.pt")
    with pytest.raises(Fault, match=r"Cannot load bad\.pt: "):
        networks.apply([HypernetworkWish(good, 1.0), HypernetworkWish(bad, 1.0)])
    assert not any(module._forward_pre_hooks for module in tiny_model.unet.modules())


def test_a_pickle_that_runs_code_is_refused(tiny_model: DiffusionModel, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    torch.save({4: Evil()}, tmp_path / "evil.pt")
    with pytest.raises(Fault, match=r"Cannot load evil\.pt"):
        HypernetworkSet(tiny_model).apply(
            [HypernetworkWish(HypernetworkFile("e", tmp_path / "evil.pt"), 1.0)]
        )
    assert not (tmp_path / "ran").exists()
