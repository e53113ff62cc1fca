from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sdapi_compat.backend.adapters.loha import delta

Random = Callable[..., Tensor]


def test_the_factors_are_multiplied_element_by_element(random: Random) -> None:
    a1, b1, a2, b2 = random(6, 2), random(2, 5), random(6, 2), random(2, 5)
    parts = {"hada_w1_a": a1, "hada_w1_b": b1, "hada_w2_a": a2, "hada_w2_b": b2, "alpha": torch.tensor(1.0)}
    found = delta(parts, random(6, 5), None)
    for row in range(6):
        for column in range(5):
            want = (a1[row] @ b1[:, column]) * (a2[row] @ b2[:, column]) / 2
            torch.testing.assert_close(found[row, column], want)


def test_a_convolution_unfolds_its_kernel(random: Random) -> None:
    a1, b1, a2, b2 = random(6, 2), random(2, 45), random(6, 2), random(2, 45)
    parts = {"hada_w1_a": a1, "hada_w1_b": b1, "hada_w2_a": a2, "hada_w2_b": b2}
    found = delta(parts, random(6, 5, 3, 3), None)
    torch.testing.assert_close(found, ((a1 @ b1) * (a2 @ b2)).reshape(6, 5, 3, 3))


def test_core_tensors_mix_the_ranks_at_every_kernel_position(random: Random) -> None:
    a1, b1, a2, b2 = random(2, 6), random(2, 5), random(2, 6), random(2, 5)
    t1, t2 = random(2, 2, 3, 3), random(2, 2, 3, 3)
    parts = {"hada_w1_a": a1, "hada_w1_b": b1, "hada_w2_a": a2, "hada_w2_b": b2}
    parts |= {"hada_t1": t1, "hada_t2": t2, "scale": torch.tensor(3.0)}
    found = delta(parts, random(6, 5, 3, 3), None)
    for y in range(3):
        for x in range(3):
            want = (a1.T @ t1[:, :, y, x] @ b1) * (a2.T @ t2[:, :, y, x] @ b2) * 3
            torch.testing.assert_close(found[:, :, y, x], want, atol=1e-5, rtol=1e-5)
