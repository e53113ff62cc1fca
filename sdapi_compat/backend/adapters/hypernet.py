"""Hypernetworks: small networks before the key and value projections of every attention."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from sdapi_compat.backend.adapters.shelf import Version, version_of
from sdapi_compat.backend.adapters.tensors import check_plain
from sdapi_compat.backend.adapters.wish import HypernetworkWish
from sdapi_compat.backend.headers import BadWeightFile
from sdapi_compat.backend.model import DiffusionModel
from sdapi_compat.backend.registry_networks import HypernetworkFile
from sdapi_compat.backend.weights import read_pickle
from sdapi_compat.errors import Fault

# "linear.0.weight"; older files: "linear1.weight".
_KEY = re.compile(r"linear\.?(?P<number>\d+)\.(?P<part>weight|bias)")
_NO_ACTIVATION = "linear"
_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "swish": nn.Hardswish,  # the original's name for it
    **{
        kind.__name__.lower(): kind
        for kind in (
            nn.CELU, nn.ELU, nn.GELU, nn.Hardshrink, nn.Hardsigmoid, nn.Hardswish, nn.Hardtanh,
            nn.LeakyReLU, nn.LogSigmoid, nn.Mish, nn.ReLU, nn.ReLU6, nn.RReLU, nn.SELU, nn.Sigmoid,
            nn.SiLU, nn.Softplus, nn.Softshrink, nn.Softsign, nn.Tanh, nn.Tanhshrink,
        )
    },
}  # fmt: skip


class Hypernetwork(NamedTuple):
    """For each attention width the networks on what becomes keys and what becomes values."""

    pairs: Mapping[int, tuple[nn.Sequential, nn.Sequential]]


class _Loaded(NamedTuple):
    version: Version
    network: Hypernetwork


class HypernetworkSet:
    """The hypernetworks of one model. Owned by the device thread."""

    def __init__(self, model: DiffusionModel) -> None:
        self._model = model
        self._hooks: list[RemovableHandle] = []
        self._applied: tuple[tuple[HypernetworkWish, Version], ...] = ()

    def apply(self, wishes: Sequence[HypernetworkWish]) -> None:
        """Run the contexts of every attention through the networks of `wishes` in their order; () stops that.

        A1111 1.10.1 behaviour: keys are made of c + multiplier net_k(c), values of c + multiplier net_v(c),
        in self-attention as well; a network without a part for a width leaves that width alone. The same
        wishes and files again: nothing happens. Raises Fault("RuntimeError") naming a file that cannot be
        used; then none is active.
        """
        if self._applied and self._applied == tuple((wish, _version(wish.file)) for wish in wishes):
            return
        self._remove()
        loaded = [self._load(wish.file) for wish in wishes]
        active = [(one.network, wish.multiplier) for one, wish in zip(loaded, wishes, strict=True)]
        if active:
            for module in self._model.unet.modules():
                if isinstance(module, Attention):
                    for side, projection in enumerate((module.to_k, module.to_v)):
                        self._hooks.append(projection.register_forward_pre_hook(_hook(active, side)))
        self._applied = tuple((wish, one.version) for one, wish in zip(loaded, wishes, strict=True))

    def _remove(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()
        self._applied = ()

    @torch.inference_mode(False)
    def _load(self, file: HypernetworkFile) -> _Loaded:
        try:
            version, network = version_of(file), read_hypernetwork(file)
        except (BadWeightFile, OSError) as error:
            raise Fault("RuntimeError", f"Cannot load {file.path.name}: {error}") from error
        for pair in network.pairs.values():
            for part in pair:
                part.to(self._model.device, self._model.unet.dtype)
        return _Loaded(version, network)


def _version(file: HypernetworkFile) -> Version | None:
    try:
        return version_of(file)
    except OSError:
        return None  # reading the file says what is wrong with it


def _hook(
    active: Sequence[tuple[Hypernetwork, float]], side: int
) -> Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...]]:
    def change_context(_projection: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        context = inputs[0]
        for network, multiplier in active:
            pair = network.pairs.get(context.shape[-1])
            if pair is not None:
                context = context + pair[side](context) * multiplier
        return (context, *inputs[1:])

    return change_context


def read_hypernetwork(file: HypernetworkFile) -> Hypernetwork:
    """The networks of a file, float32 on the CPU, without the dropout they were trained with.

    Raises BadWeightFile, OSError.
    """
    content = read_pickle(file.path)
    if not isinstance(content, Mapping):
        raise BadWeightFile("the pickle holds no dictionary")
    activation = _activation(content.get("activation_func"))
    at_the_end = bool(content.get("activate_output", True))
    pairs = {}
    for width, states in content.items():
        if isinstance(width, int):
            if not isinstance(states, Sequence) or len(states) < 2:
                raise BadWeightFile(f"width {width} has no two networks")
            key_state, value_state = states[:2]
            pairs[width] = (
                _network(width, key_state, activation, at_the_end),
                _network(width, value_state, activation, at_the_end),
            )
    return Hypernetwork(pairs)


def _activation(name: object) -> Callable[[], nn.Module] | None:
    """How to make the activation of that name; None for none."""
    if name is None or name == _NO_ACTIVATION:
        return None
    if not isinstance(name, str) or name.lower() not in _ACTIVATIONS:
        raise BadWeightFile(f"unknown activation {name!r}")
    return _ACTIVATIONS[name.lower()]


def _network(
    width: int, state: Any, activation: Callable[[], nn.Module] | None, at_the_end: bool
) -> nn.Sequential:
    """Linear layers, each with its activation and then, where the file has one, its layer norm."""
    tensors = _numbered(state)
    last = max((number for number, parts in tensors.items() if parts["weight"].ndim == 2), default=None)
    network, inside = nn.Sequential(), width
    for number, parts in sorted(tensors.items()):
        layer = _layer(inside, parts)
        network.append(layer)
        if isinstance(layer, nn.Linear):
            inside = layer.out_features
            if activation is not None and (at_the_end or number != last):
                network.append(activation())
    if last is None or inside != width:
        raise BadWeightFile(f"the network for width {width} ends with width {inside}")
    return network.requires_grad_(False).eval()


def _numbered(state: Any) -> dict[int, dict[str, Tensor]]:
    tensors: dict[int, dict[str, Tensor]] = {}
    for key, tensor in (state if isinstance(state, Mapping) else {}).items():
        found = _KEY.fullmatch(str(key))
        if found is not None:
            check_plain(str(key), tensor)
            tensors.setdefault(int(found["number"]), {})[found["part"]] = tensor.float()
    if any("weight" not in parts for parts in tensors.values()):
        raise BadWeightFile("a layer has a bias but no weight")
    return tensors


def _layer(inside: int, parts: Mapping[str, Tensor]) -> nn.Linear | nn.LayerNorm:
    weight, bias = parts["weight"], parts.get("bias")
    fits = weight.ndim in (1, 2) and weight.shape[-1] == inside and weight.shape[0] > 0
    if not fits or (bias is not None and bias.shape != weight.shape[:1]):
        raise BadWeightFile(f"a layer for width {inside} has a weight of shape {list(weight.shape)}")
    layer: nn.Linear | nn.LayerNorm
    if weight.ndim == 2:
        layer = nn.Linear(inside, weight.shape[0], bias=bias is not None)
    else:
        layer = nn.LayerNorm(inside, bias=bias is not None)
    layer.weight = nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        layer.bias = nn.Parameter(bias, requires_grad=False)
    return layer
