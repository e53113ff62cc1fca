from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from sdapi_compat.backend.adapters.lokr import delta

Random = Callable[..., Tensor]


def _kron(left: Tensor, right: Tensor) -> Tensor:
    return torch.from_numpy(np.kron(left.double().numpy(), right.double().numpy()))


@pytest.mark.parametrize("first", [False, True], ids=["whole-1", "factors-1"])
@pytest.mark.parametrize("second", [False, True], ids=["whole-2", "factors-2"])
def test_whole_matrices_and_factors(random: Random, first: bool, second: bool) -> None:
    parts: dict[str, Tensor] = {"alpha": torch.tensor(5.0)}
    a1, b1, a2, b2 = random(2, 4), random(4, 3), random(5, 2), random(2, 4)
    parts |= {"lokr_w1_a": a1, "lokr_w1_b": b1} if first else {"lokr_w1": a1 @ b1}
    parts |= {"lokr_w2_a": a2, "lokr_w2_b": b2} if second else {"lokr_w2": a2 @ b2}
    scale = {(False, False): 1.0, (True, False): 5 / 4, (False, True): 5 / 2, (True, True): 5 / 2}
    found = delta(parts, random(10, 12), None)
    torch.testing.assert_close(found.double(), _kron(a1 @ b1, a2 @ b2) * scale[first, second])


def _per_position(w1: Tensor, w2: Tensor, found: Tensor) -> None:
    for y in range(3):
        for x in range(3):
            torch.testing.assert_close(
                found[:, :, y, x].double(), _kron(w1, w2[:, :, y, x]), atol=1e-5, rtol=1e-5
            )


def test_a_convolution_with_a_whole_second_matrix(random: Random) -> None:
    w1, w2 = random(2, 3), random(5, 4, 3, 3)
    _per_position(w1, w2, delta({"lokr_w1": w1, "lokr_w2": w2}, random(10, 12, 3, 3), None))


@pytest.mark.parametrize("flat", [False, True])
def test_a_convolution_with_factors(random: Random, flat: bool) -> None:
    w1, a2, b2 = random(2, 3), random(5, 2), random(2, 4, 3, 3)
    parts = {"lokr_w1": w1, "lokr_w2_a": a2, "lokr_w2_b": b2.flatten(1) if flat else b2}
    w2 = torch.einsum("or,riyx->oiyx", a2, b2)
    _per_position(w1, w2, delta(parts, random(10, 12, 3, 3), None))


def test_a_convolution_with_a_core_tensor(random: Random) -> None:
    w1, a2, b2, t2 = random(2, 3), random(2, 5), random(2, 4), random(2, 2, 3, 3)
    parts = {"lokr_w1": w1, "lokr_w2_a": a2, "lokr_w2_b": b2, "lokr_t2": t2}
    w2 = torch.stack([a2.T @ t2[:, :, i // 3, i % 3] @ b2 for i in range(9)], dim=-1).reshape(5, 4, 3, 3)
    _per_position(w1, w2, delta(parts, random(10, 12, 3, 3), None))
