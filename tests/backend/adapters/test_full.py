from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sdapi_compat.backend.adapters.change import change
from sdapi_compat.backend.headers import BadWeightFile

Random = Callable[..., Tensor]


def test_weight_and_bias_are_taken_as_they_are(random: Random) -> None:
    diff, diff_b = random(6, 5, 3, 3).half(), random(6).half()
    found = change({"diff": diff, "diff_b": diff_b}, random(6, 5, 3, 3))
    assert torch.equal(found.weight, diff.float())
    assert found.bias is not None
    assert torch.equal(found.bias, diff_b.float())


def test_scale_is_for_the_weight_only(random: Random) -> None:
    diff, diff_b = random(6, 5), random(6)
    found = change({"diff": diff, "diff_b": diff_b, "scale": torch.tensor(0.5)}, random(6, 5))
    torch.testing.assert_close(found.weight, diff / 2)
    assert found.bias is not None
    assert torch.equal(found.bias, diff_b)


def test_no_bias(random: Random) -> None:
    assert change({"diff": random(6, 5)}, random(6, 5)).bias is None


def test_a_bias_of_another_length(random: Random) -> None:
    with pytest.raises(BadWeightFile, match=r"Expected values for the shape \[6\], got \[5\]"):
        change({"diff": random(6, 5), "diff_b": random(5)}, random(6, 5))


@pytest.mark.parametrize("channels", [5, 8, 9])
def test_latent_channels_alone_are_padded(random: Random, channels: int) -> None:
    diff = random(6, 4, 3, 3)
    found = change({"diff": diff}, random(6, channels, 3, 3)).weight
    assert found.shape == (6, channels, 3, 3)
    assert torch.equal(found[:, :4], diff)
    assert found[:, 4:].count_nonzero() == 0


@pytest.mark.parametrize(
    ("saved", "shape"), [((6, 4, 3, 3), (6, 10, 3, 3)), ((6, 3, 3, 3), (6, 9, 3, 3)), ((5, 6), (6, 5))]
)
def test_nothing_else_is_padded_or_transposed(
    random: Random, saved: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    with pytest.raises(BadWeightFile, match="Expected values for the shape"):
        change({"diff": random(*saved)}, random(*shape))
