"""LoKr: the Kronecker product of two matrices, each whole or low-rank (LyCORIS, Yeh et al. 2023,
arXiv 2309.14859)."""

from __future__ import annotations

from torch import Tensor

from sdapi_compat.backend.adapters.tensors import Parts, fit, kronecker, product, scale, tucker

_WHOLE_OR_FACTORS = [
    [frozenset({f"lokr_w{number}"}), frozenset({f"lokr_w{number}_a", f"lokr_w{number}_b"})]
    for number in (1, 2)
]
NEEDS = tuple(first | second for first in _WHOLE_OR_FACTORS[0] for second in _WHOLE_OR_FACTORS[1])


def delta(parts: Parts, weight: Tensor, _rank: int | None) -> Tensor:
    """s w1 (x) w2. The rank in s is that of w2, else that of w1; alpha does not scale two whole matrices."""
    values = kronecker(_factor(parts, "1", weight), _factor(parts, "2", weight), weight)
    factor = parts.get("lokr_w2_b", parts.get("lokr_w1_b"))
    return fit(values, weight) * scale(parts, None if factor is None else factor.shape[0])


def _factor(parts: Parts, number: str, weight: Tensor) -> Tensor:
    whole = parts.get(f"lokr_w{number}")
    if whole is not None:
        return whole
    left, right = parts[f"lokr_w{number}_a"], parts[f"lokr_w{number}_b"]
    core = parts.get(f"lokr_t{number}")
    return product(left, right, weight) if core is None else tucker(left.mT, core, right, weight)
