"""From the tensors of one layer to the change of its weight and bias."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from sdapi_compat.backend.adapters import dora, full, glora, ia3, loha, lokr, lora, norm, oft
from sdapi_compat.backend.adapters.tensors import SCALARS, Parts, fit
from sdapi_compat.backend.headers import BadWeightFile


class Change(NamedTuple):
    """What is added to a layer at multiplier 1, float32; `bias` None: it stays."""

    weight: Tensor
    bias: Tensor | None


class _Algorithm(NamedTuple):
    needs: tuple[frozenset[str], ...]
    delta: Callable[[Parts, Tensor, int | None], Tensor]
    bias: str = ""


# The first one whose parts are all there is meant.
_ALGORITHMS = (
    _Algorithm(lora.NEEDS, lora.delta),
    _Algorithm(loha.NEEDS, loha.delta),
    _Algorithm(ia3.NEEDS, ia3.delta),
    _Algorithm(lokr.NEEDS, lokr.delta),
    _Algorithm(full.NEEDS, full.delta, full.BIAS),
    _Algorithm(norm.NEEDS, norm.delta, norm.BIAS),
    _Algorithm(glora.NEEDS, glora.delta),
    _Algorithm(oft.NEEDS, oft.delta),
)


def change(parts: Parts, weight: Tensor, rank: int | None = None) -> Change:
    """The change of a layer whose weight is `weight` (float32), computed where that is.

    `rank`: cut a LoRA to it; None keeps all. Raises BadWeightFile for parts no algorithm fits or that do not
    fit the weight; torch raises RuntimeError, IndexError or ValueError for shapes without any sense.
    """
    algorithm = next((a for a in _ALGORITHMS if any(need <= parts.keys() for need in a.needs)), None)
    if algorithm is None:
        raise BadWeightFile(f"no known algorithm has the parts {', '.join(sorted(parts))}")
    values = {name: _ready(name, tensor, weight) for name, tensor in parts.items()}
    delta = dora.decomposed(values, weight, algorithm.delta(values, weight, rank))
    bias = values.get(algorithm.bias)
    return Change(delta, None if bias is None else fit(bias, weight.reshape(weight.shape[0], -1)[:, 0]))


def _ready(name: str, tensor: Tensor, weight: Tensor) -> Tensor:
    # Numbers that Python reads stay on the CPU: reading them from a GPU would wait for it.
    return tensor.to("cpu" if name in SCALARS else weight.device, torch.float32)
