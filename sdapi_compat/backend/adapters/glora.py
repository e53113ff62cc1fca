"""GLoRA: a low-rank change of the weight and of its input (Chavan et al. 2023, arXiv 2306.07967)."""

from __future__ import annotations

import torch
from torch import Tensor

from sdapi_compat.backend.adapters.tensors import Parts, fit, product, scale
from sdapi_compat.backend.headers import BadWeightFile

NEEDS = (frozenset({"a1", "a2", "b1", "b2"}),)


def delta(parts: Parts, weight: Tensor, _rank: int | None) -> Tensor:
    """s (B + W A), A (in, in) and B (out, in) of low rank.

    LyCORIS first wrote A = a2 a1 and B = b2 b1, later A = a1 a2 and B = b1 b2; the shapes tell which.
    """
    b1, b2 = parts["b1"], parts["b2"]
    order = "21" if b2.shape[0] == weight.shape[0] and b1.shape[0] == b2.shape[1] else "12"
    (a_left, a_right), (b_left, b_right) = ([parts[f"{name}{n}"] for n in order] for name in "ab")
    a_left, a_right = a_left.flatten(1), a_right.flatten(1)
    if a_left.shape[0] != weight.shape[1] or a_right.shape[1] != weight.shape[1]:
        raise BadWeightFile(f"Expected factors for {weight.shape[1]} input channels")
    values = fit(product(b_left, b_right, weight), weight)
    values = values + torch.einsum("oi...,ir,rj->oj...", weight, a_left, a_right)
    return values * scale(parts, b_right.shape[0])
