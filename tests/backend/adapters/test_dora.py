from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sdapi_compat.backend.adapters.change import change
from sdapi_compat.backend.headers import BadWeightFile

Random = Callable[..., Tensor]


def test_the_norm_is_over_all_but_the_input_channels(random: Random) -> None:
    weight, up, down, magnitude = random(6, 5, 3, 3), random(6, 2), random(2, 45), random(1, 5, 1, 1)
    parts = {"lora_up": up, "lora_down": down, "alpha": torch.tensor(1.0), "dora_scale": magnitude}
    found = change(parts, weight).weight.double()
    merged = weight.double() + (up.double() @ down.double()).reshape(weight.shape) / 2
    for channel in range(5):
        part = merged[:, channel]
        want = part / part.pow(2).sum().sqrt() * magnitude[0, channel, 0, 0] - weight[:, channel]
        torch.testing.assert_close(found[:, channel], want, atol=1e-5, rtol=1e-4)


def test_magnitudes_equal_to_the_norms_change_only_the_direction(random: Random) -> None:
    weight = random(6, 5)
    parts = {"lora_up": random(6, 2), "lora_down": random(2, 5), "dora_scale": weight.norm(dim=0)[None]}
    changed = weight + change(parts, weight).weight
    torch.testing.assert_close(changed.norm(dim=0), weight.norm(dim=0))


@pytest.mark.parametrize("saved", [(6,), (6, 1)])
def test_magnitudes_of_peft_belong_to_the_outputs(random: Random, saved: tuple[int, ...]) -> None:
    weight, up, down, magnitude = random(6, 5), random(6, 2), random(2, 5), random(6)
    found = change({"lora_up": up, "lora_down": down, "magnitude": magnitude.reshape(saved)}, weight).weight
    merged = weight + up @ down
    for row in range(6):
        want = merged[row] / merged[row].norm() * magnitude[row] - weight[row]
        torch.testing.assert_close(found[row], want)


def test_any_algorithm_can_have_magnitudes(random: Random) -> None:
    weight, diff, magnitude = random(6, 5), random(6, 5), random(1, 5)
    found = change({"diff": diff, "dora_scale": magnitude}, weight).weight
    merged = weight + diff
    torch.testing.assert_close(found, merged / merged.norm(dim=0, keepdim=True) * magnitude - weight)


def test_a_channel_of_zeros_stays_zero(random: Random) -> None:
    weight = random(6, 5)
    weight[:, 2] = 0
    found = change({"diff": torch.zeros(6, 5), "dora_scale": torch.full((1, 5), 4.0)}, weight).weight
    assert torch.isfinite(found).all()
    assert found[:, 2].count_nonzero() == 0


@pytest.mark.parametrize("shape", [(1, 6), (7, 1, 5), (5, 5)])
def test_magnitudes_for_another_shape(random: Random, shape: tuple[int, ...]) -> None:
    with pytest.raises(BadWeightFile, match=r"Expected magnitudes for the shape \[6, 5\]"):
        change({"diff": random(6, 5), "dora_scale": random(*shape)}, random(6, 5))
