"""Full differences of weight and bias, as LyCORIS and merge tools save them."""

from __future__ import annotations

from torch import Tensor

from sdapi_compat.backend.adapters.tensors import Parts, fit, scale

NEEDS = (frozenset({"diff"}),)
BIAS = "diff_b"


def delta(parts: Parts, weight: Tensor, _rank: int | None) -> Tensor:
    """s diff."""
    return fit(parts["diff"], weight) * scale(parts, None)
