from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sdapi_compat.backend.adapters.change import change
from sdapi_compat.backend.headers import BadWeightFile

Random = Callable[..., Tensor]


def test_the_first_complete_algorithm_counts(random: Random) -> None:
    up, down = random(6, 2), random(2, 5)
    parts = {
        "lora_up": up,
        "lora_down": down,
        "diff_b": random(6),
        "hada_w1_a": random(6, 2),
        "diff": random(6, 5),
    }
    found = change(parts, random(6, 5))
    torch.testing.assert_close(found.weight, up @ down)
    assert found.bias is None


@pytest.mark.parametrize(
    "names",
    [
        ["alpha"], ["lora_up"], ["lora_down", "alpha"], ["hada_w1_a", "hada_w1_b"], ["lokr_w1"], ["weight"],
        ["a1", "a2", "b1"], ["b_norm"], ["diff_b"], ["dora_scale"],
    ],
)  # fmt: skip
def test_incomplete_parts_name_themselves(random: Random, names: list[str]) -> None:
    with pytest.raises(BadWeightFile, match=f"no known algorithm has the parts {', '.join(sorted(names))}"):
        change(dict.fromkeys(names, torch.ones(2, 2)), random(6, 5))


def test_whole_numbers_are_real_numbers(random: Random) -> None:
    parts = {"lora_up": torch.ones(6, 2, dtype=torch.int8), "lora_down": torch.ones(2, 5, dtype=torch.int64)}
    found = change(parts | {"alpha": torch.tensor(4)}, random(6, 5)).weight
    assert torch.equal(found, torch.full((6, 5), 4.0))


def test_the_inputs_stay_as_they_are(random: Random) -> None:
    weight, parts = random(6, 5), {"lora_up": random(6, 2), "lora_down": random(2, 5)}
    before = weight.clone(), {name: tensor.clone() for name, tensor in parts.items()}
    change(parts, weight, 1)
    assert torch.equal(weight, before[0])
    assert all(torch.equal(parts[name], tensor) for name, tensor in before[1].items())
