from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sdapi_compat.backend.adapters.ia3 import delta
from sdapi_compat.backend.headers import BadWeightFile

Random = Callable[..., Tensor]
ON_INPUT, ON_OUTPUT = torch.tensor(1), torch.tensor(False)


def test_factors_on_the_input(random: Random) -> None:
    weight, factors, x = random(6, 5), random(5), random(3, 5)
    found = delta({"weight": factors, "on_input": ON_INPUT}, weight, None)
    torch.testing.assert_close(F.linear(x, weight + found), F.linear(x * (1 + factors), weight))


def test_factors_on_the_output(random: Random) -> None:
    weight, factors, x = random(6, 5), random(6), random(3, 5)
    found = delta({"weight": factors, "on_input": ON_OUTPUT}, weight, None)
    torch.testing.assert_close(F.linear(x, weight + found), F.linear(x, weight) * (1 + factors))


@pytest.mark.parametrize(("on_input", "channels"), [(ON_INPUT, 5), (ON_OUTPUT, 6)])
def test_a_convolution_saves_its_factors_with_the_kernel_dimensions(
    random: Random, on_input: Tensor, channels: int
) -> None:
    weight, factors, x = random(6, 5, 3, 3), random(1, channels, 1, 1), random(1, 5, 8, 8)
    parts = {"weight": factors, "on_input": on_input, "scale": torch.tensor(0.5)}
    found = delta(parts, weight, None)
    if channels == 5:
        want = F.conv2d(x * (1 + factors / 2), weight)
    else:
        want = F.conv2d(x, weight) * (1 + factors / 2)
    torch.testing.assert_close(F.conv2d(x, weight + found), want, atol=1e-4, rtol=1e-4)


def test_alpha_means_nothing_without_a_rank(random: Random) -> None:
    weight, factors = random(6, 5), random(6)
    parts = {"weight": factors, "on_input": ON_OUTPUT, "alpha": torch.tensor(7.0)}
    torch.testing.assert_close(delta(parts, weight, None), weight * factors[:, None])


def test_as_many_factors_as_channels(random: Random) -> None:
    with pytest.raises(BadWeightFile, match="Expected 5 factors, got 6"):
        delta({"weight": random(6), "on_input": ON_INPUT}, random(6, 5), None)
