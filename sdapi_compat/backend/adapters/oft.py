"""OFT: a rotation of the output channels (Qiu et al. 2023, arXiv 2306.07280), and BOFT, several of them in
butterfly order (Liu et al. 2023, arXiv 2311.06243), in the forms of sd-scripts and LyCORIS."""

from __future__ import annotations

import torch
from torch import Tensor

from sdapi_compat.backend.adapters.tensors import Parts, fit
from sdapi_compat.backend.headers import BadWeightFile

NEEDS = (frozenset({"oft_blocks"}), frozenset({"oft_diag"}))
_EPSILON = 1e-8


def delta(parts: Parts, weight: Tensor, _rank: int | None) -> Tensor:
    """R W - W, every row of R W times its `rescale` where there is one.

    `oft_diag` is R itself, (blocks, b, b). `oft_blocks` holds Q of R = (I + Q) (I - Q)^-1 before it is made
    skew-symmetric, (blocks, b, b) or for BOFT (factors, blocks, b, b); there alpha times the number of rows
    bounds the norm of Q. Neither is scaled by alpha / rank.
    """
    blocks = parts["oft_diag"] if "oft_diag" in parts else parts["oft_blocks"]
    if blocks.ndim not in (3, 4) or blocks.shape[-3] * blocks.shape[-2] != weight.shape[0]:
        raise BadWeightFile(f"Expected blocks for {weight.shape[0]} rows, got {list(blocks.shape)}")
    rotations = blocks if "oft_diag" in parts else _cayley(blocks, _bound(parts, weight))
    rows = weight.flatten(1)
    turned = _blockwise(rotations.mT, rows) if rotations.ndim == 3 else _butterfly(rotations, rows)
    if "rescale" in parts:
        turned = parts["rescale"].reshape(-1, 1) * turned
    return fit(turned, weight) - weight


def _bound(parts: Parts, weight: Tensor) -> float:
    """What the norm of Q may be at most; 0: anything."""
    return float(parts["alpha"].item()) * weight.shape[0] if "alpha" in parts else 0.0


def _cayley(blocks: Tensor, bound: float) -> Tensor:
    skew = blocks - blocks.mT
    if bound > 0:
        norm = skew.norm()
        skew = skew * ((norm.clamp(max=bound) + _EPSILON) / (norm + _EPSILON))
    identity = torch.eye(skew.shape[-1], device=skew.device)
    # I + Q and (I - Q)^-1 commute.
    rotations: Tensor = torch.linalg.solve(identity - skew, identity + skew)
    return rotations


def _blockwise(blocks: Tensor, rows: Tensor) -> Tensor:
    """Each (b, b) block on its b rows of (out, columns)."""
    count, size, _ = blocks.shape
    return (blocks @ rows.reshape(count, size, -1)).reshape(rows.shape)


def _butterfly(factors: Tensor, rows: Tensor) -> Tensor:
    """Factor i on pairs of groups of 2^i b / 2 rows, interleaved while it works."""
    half = factors.shape[-1] // 2
    for index, blocks in enumerate(factors):
        group = half << index
        mixed = rows.reshape(-1, 2, group, rows.shape[1]).transpose(1, 2).reshape(rows.shape)
        mixed = _blockwise(blocks, mixed)
        rows = mixed.reshape(-1, group, 2, rows.shape[1]).transpose(1, 2).reshape(rows.shape)
    return rows
