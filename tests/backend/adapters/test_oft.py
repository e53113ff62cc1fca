from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.linalg import block_diag
from torch import Tensor

from sdapi_compat.backend.adapters.change import change
from sdapi_compat.backend.adapters.oft import delta
from sdapi_compat.backend.headers import BadWeightFile

Random = Callable[..., Tensor]
Matrix = NDArray[np.float64]


def _rotation(block: Tensor, factor: float = 1.0) -> Matrix:
    q = (block - block.T).double().numpy() * factor
    identity = np.eye(len(q))
    return np.asarray((identity + q) @ np.linalg.inv(identity - q))


def _check(found: Tensor, weight: Tensor, rotation: Matrix) -> None:
    rows = weight.double().flatten(1).numpy()
    want = torch.from_numpy(rotation @ rows - rows).reshape(weight.shape)
    torch.testing.assert_close(found.double(), want, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3, 3)])
def test_every_block_of_rows_is_rotated(random: Random, shape: tuple[int, ...]) -> None:
    weight, blocks = random(*shape), random(2, 3, 3)
    rotation = block_diag(*(_rotation(block).T for block in blocks))
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(6), atol=1e-9)
    _check(delta({"oft_blocks": blocks}, weight, None), weight, rotation)


@pytest.mark.parametrize("alpha", [0.0, 0.1, 100.0])
def test_alpha_bounds_the_norm_and_scales_nothing(random: Random, alpha: float) -> None:
    weight, blocks = random(6, 5), random(2, 3, 3)
    skew = blocks - blocks.mT
    factor = 1.0 if alpha != 0.1 else 0.1 * 6 / float(skew.norm())
    rotation = block_diag(*(_rotation(block, factor).T for block in blocks))
    _check(delta({"oft_blocks": blocks, "alpha": torch.tensor(alpha)}, weight, None), weight, rotation)


def test_ready_rotations_are_taken_as_they_are(random: Random) -> None:
    weight, blocks = random(6, 5), random(3, 2, 2)
    parts = {"oft_diag": blocks, "alpha": torch.tensor(0.1)}
    _check(delta(parts, weight, None), weight, block_diag(*(block.T.double().numpy() for block in blocks)))


@pytest.mark.parametrize("shape", [(3, 2, 1), (6, 1)])
def test_rescale_multiplies_the_rows(random: Random, shape: tuple[int, ...]) -> None:
    weight, blocks, rescale = random(6, 5), random(3, 2, 2), random(6)
    rotation = block_diag(*(_rotation(block).T for block in blocks)) * rescale.double().numpy()[:, None]
    _check(delta({"oft_blocks": blocks, "rescale": rescale.reshape(shape)}, weight, None), weight, rotation)


def _butterfly(factor: int, blocks: Tensor, rows: int) -> Matrix:
    """One factor written out: rows of two groups of 2^factor b/2 change places by turns, then blocks, then
    back."""
    group = 2**factor * blocks.shape[-1] // 2
    order = [
        start + half * group + inside
        for start in range(0, rows, 2 * group)
        for inside in range(group)
        for half in (0, 1)
    ]
    permutation = np.eye(rows)[order]
    return np.asarray(permutation.T @ block_diag(*(_rotation(block) for block in blocks)) @ permutation)


@pytest.mark.parametrize("shape", [(8, 5), (8, 5, 3, 3)])
def test_butterfly_factors_follow_each_other(random: Random, shape: tuple[int, ...]) -> None:
    weight, factors = random(*shape), random(3, 4, 2, 2)
    rotation = np.eye(8)
    for index, blocks in enumerate(factors):
        rotation = _butterfly(index, blocks, 8) @ rotation
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(8), atol=1e-9)
    _check(delta({"oft_blocks": factors}, weight, None), weight, rotation)


def test_a_rotation_keeps_lengths(random: Random) -> None:
    weight, x = random(8, 8), random(3, 8)
    turned = weight + change({"oft_blocks": random(4, 2, 2)}, weight).weight
    torch.testing.assert_close(F.linear(x, turned).norm(dim=1), F.linear(x, weight).norm(dim=1))


@pytest.mark.parametrize("shape", [(6,), (6, 6), (2, 2, 2), (1, 1, 2, 3, 3)])
def test_blocks_that_do_not_cover_the_rows(random: Random, shape: tuple[int, ...]) -> None:
    with pytest.raises(BadWeightFile, match="Expected blocks for 6 rows"):
        delta({"oft_blocks": random(*shape)}, random(6, 5), None)
