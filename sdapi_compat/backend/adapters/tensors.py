"""What the algorithms share: their input, the scale rule, and products that cannot outgrow the weight."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sdapi_compat.backend.headers import BadWeightFile

Parts = Mapping[str, Tensor]
"""The tensors of one layer by part ("lora_up", "alpha", ...)."""

SCALARS = frozenset({"alpha", "scale", "on_input"})
_LATENT_CHANNELS = 4
_MOST_INPUT_CHANNELS = 9
_MOST_RANK = 4096


def check_plain(name: str, value: Any) -> None:
    """Raise BadWeightFile unless `value` is an ordinary real tensor with all of its elements in the file.

    Pickles can hold sparse, meta and expanded tensors, a few bytes that stand for terabytes.
    """
    if not isinstance(value, Tensor):
        raise BadWeightFile(f"{name!r} is no tensor")
    if value.layout is not torch.strided or value.is_nested or value.is_quantized or value.is_complex():
        raise BadWeightFile(f"{name!r} is no plain tensor of real numbers")
    if value.device.type != "cpu" or value.numel() * value.element_size() > value.untyped_storage().nbytes():
        raise BadWeightFile(f"{name!r} has the shape {list(value.shape)} but the file lacks its elements")


def scale(parts: Parts, rank: int | None) -> float:
    """s = `scale`, else alpha / rank, else 1."""
    if "scale" in parts:
        return float(parts["scale"].item())
    if "alpha" in parts and rank:
        return float(parts["alpha"].item()) / rank
    return 1.0


def product(left: Tensor, right: Tensor, weight: Tensor) -> Tensor:
    """(rows, r, ...) times (r, columns, ...) as the matrix (rows, the rest).

    Raises BadWeightFile before computing anything larger than `weight`.
    """
    left, right = left.flatten(1), right.flatten(1)
    _check_size((left.shape[0], right.shape[1]), weight)
    return left @ right


def tucker(left: Tensor, core: Tensor, right: Tensor, weight: Tensor) -> Tensor:
    """out[o, i, ...] = sum over n, m of left[o, n] core[n, m, ...] right[m, i] (Tucker, CP in the original).

    Raises BadWeightFile before computing anything larger than `weight`, or with a core of absurd rank, which
    makes the intermediate product large.
    """
    _check_size((left.shape[0], right.shape[1], *core.shape[2:]), weight)
    if max(core.shape[:2]) > _MOST_RANK:
        raise BadWeightFile(f"Expected a rank of at most {_MOST_RANK}, got {list(core.shape)}")
    return torch.einsum("on,nm...,mi->oi...", left, core, right)


def kronecker(left: Tensor, right: Tensor, weight: Tensor) -> Tensor:
    """(a, b) and (c, d, ...) to the matrix (a c, b d ...).

    Raises BadWeightFile before computing anything larger than `weight`.
    """
    left, right = left.flatten(1), right.flatten(1)
    _check_size((*left.shape, *right.shape), weight)
    return torch.kron(left, right)


def fit(values: Tensor, weight: Tensor) -> Tensor:
    """`values` in the shape of `weight`.

    A1111 1.10.1 behaviour: what was trained on 4 latent channels is padded with zeros for the input
    convolution of a model with more channels. Raises BadWeightFile when the sizes do not fit.
    """
    if values.numel() == weight.numel() and values.shape[:1] == weight.shape[:1]:
        return values.reshape(weight.shape)
    missing = (weight.shape[1] if weight.ndim == 4 else 0) - _LATENT_CHANNELS
    if 0 < missing <= _MOST_INPUT_CHANNELS - _LATENT_CHANNELS:
        narrow = (weight.shape[0], _LATENT_CHANNELS, *weight.shape[2:])
        if values.numel() == prod(narrow) and values.shape[:1] == weight.shape[:1]:
            return F.pad(values.reshape(narrow), (0, 0, 0, 0, 0, missing))
    raise BadWeightFile(f"Expected values for the shape {list(weight.shape)}, got {list(values.shape)}")


def _check_size(shape: Iterable[int], weight: Tensor) -> None:
    shape = list(shape)
    if prod(shape) > weight.numel():
        raise BadWeightFile(f"Expected factors for the shape {list(weight.shape)}, got factors for {shape}")
