"""(IA)^3: a learned factor per channel (Liu et al. 2022, arXiv 2205.05638), in the form of LyCORIS."""

from __future__ import annotations

from torch import Tensor

from sdapi_compat.backend.adapters.tensors import Parts, fit, scale
from sdapi_compat.backend.headers import BadWeightFile

NEEDS = (frozenset({"weight", "on_input"}),)


def delta(parts: Parts, weight: Tensor, _rank: int | None) -> Tensor:
    """s W * l, with l over the input channels where `on_input` is set, else over the output channels."""
    dimension = 1 if parts["on_input"].item() else 0
    factors = parts["weight"].flatten()
    if factors.numel() != weight.shape[dimension]:
        raise BadWeightFile(f"Expected {weight.shape[dimension]} factors, got {factors.numel()}")
    shape = [1] * weight.ndim
    shape[dimension] = -1
    return fit(weight * factors.reshape(shape), weight) * scale(parts, None)
