"""Differences of the weight and bias of normalisation layers, as LyCORIS saves them."""

from __future__ import annotations

from torch import Tensor

from sdapi_compat.backend.adapters.tensors import Parts, fit, scale

NEEDS = (frozenset({"w_norm"}),)
BIAS = "b_norm"


def delta(parts: Parts, weight: Tensor, _rank: int | None) -> Tensor:
    """s w_norm."""
    return fit(parts["w_norm"], weight) * scale(parts, None)
