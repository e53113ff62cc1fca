from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sdapi_compat.backend.adapters.change import change
from sdapi_compat.backend.headers import BadWeightFile

Random = Callable[..., Tensor]


def test_weight_and_bias_of_a_norm_layer(random: Random) -> None:
    w_norm, b_norm = random(6), random(6)
    found = change({"w_norm": w_norm, "b_norm": b_norm}, random(6))
    assert found.bias is not None
    assert torch.equal(found.weight, w_norm)
    assert torch.equal(found.bias, b_norm)


def test_the_bias_may_be_missing(random: Random) -> None:
    found = change({"w_norm": random(6), "scale": torch.tensor(2.0)}, random(6))
    assert found.bias is None


def test_another_width(random: Random) -> None:
    with pytest.raises(BadWeightFile, match=r"Expected values for the shape \[6\], got \[7\]"):
        change({"w_norm": random(7)}, random(6))
