"""LoHa: the Hadamard product of two low-rank matrices (FedPara, Hyeon-Woo et al. 2021, arXiv 2108.06098)."""

from __future__ import annotations

from torch import Tensor

from sdapi_compat.backend.adapters.tensors import Parts, fit, product, scale, tucker

NEEDS = (frozenset({"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"}),)


def delta(parts: Parts, weight: Tensor, _rank: int | None) -> Tensor:
    """s (w1_a w1_b) * (w2_a w2_b), either factor with its own core tensor where there is one."""
    values = fit(_factor(parts, "1", weight), weight) * fit(_factor(parts, "2", weight), weight)
    return values * scale(parts, parts["hada_w1_b"].shape[0])


def _factor(parts: Parts, number: str, weight: Tensor) -> Tensor:
    left, right = parts[f"hada_w{number}_a"], parts[f"hada_w{number}_b"]
    core = parts.get(f"hada_t{number}")
    return product(left, right, weight) if core is None else tucker(left.mT, core, right, weight)
