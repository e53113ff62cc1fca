from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sdapi_compat.backend.adapters.glora import delta
from sdapi_compat.backend.headers import BadWeightFile

Random = Callable[..., Tensor]


def _swapped(parts: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same adapter in the later order of LyCORIS."""
    return {"a1": parts["a2"], "a2": parts["a1"], "b1": parts["b2"], "b2": parts["b1"]}


@pytest.mark.parametrize("later", [False, True])
def test_a_linear_layer_answers_like_its_branches(random: Random, later: bool) -> None:
    weight, x = random(6, 5), random(7, 5)
    parts = {"a1": random(2, 5), "a2": random(5, 2), "b1": random(2, 5), "b2": random(6, 2)}
    changed_input = F.linear(F.linear(x, parts["a1"]), parts["a2"])
    branches = F.linear(changed_input, weight) + F.linear(F.linear(x, parts["b1"]), parts["b2"])
    scaled = (_swapped(parts) if later else parts) | {"alpha": torch.tensor(3.0)}
    found = delta(scaled, weight, None)
    torch.testing.assert_close(F.linear(x, found), branches * 1.5, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("later", [False, True])
def test_a_convolution_answers_like_its_branches(random: Random, later: bool) -> None:
    weight, x = random(6, 5, 3, 3), random(1, 5, 8, 8)
    parts = {"a1": random(2, 5, 1, 1), "a2": random(5, 2, 1, 1)}
    parts |= {"b1": random(2, 5, 3, 3), "b2": random(6, 2, 1, 1)}
    changed_input = F.conv2d(F.conv2d(x, parts["a1"]), parts["a2"])
    branches = F.conv2d(changed_input, weight) + F.conv2d(F.conv2d(x, parts["b1"]), parts["b2"])
    found = delta(_swapped(parts) if later else parts, weight, None)
    torch.testing.assert_close(F.conv2d(x, found), branches, atol=1e-3, rtol=1e-4)


def test_factors_for_another_width(random: Random) -> None:
    parts = {"a1": random(2, 999), "a2": random(5, 2), "b1": random(2, 5), "b2": random(6, 2)}
    with pytest.raises(BadWeightFile, match="5 input channels"):
        delta(parts, random(6, 5), None)
