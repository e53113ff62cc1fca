from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sdapi_compat.backend.adapters.change import change
from sdapi_compat.backend.adapters.lora import delta

Random = Callable[..., Tensor]


def test_a_linear_layer_answers_like_its_side_branch(random: Random) -> None:
    weight, up, down, x = random(6, 5), random(6, 3), random(3, 5), random(7, 5).double()
    found = delta({"lora_up": up, "lora_down": down, "alpha": torch.tensor(1.5)}, weight, None)
    branch = F.linear(F.linear(x, down.double()), up.double()) * 0.5
    torch.testing.assert_close(F.linear(x, found.double()), branch, atol=1e-5, rtol=1e-5)


def test_a_convolution_answers_like_its_side_branch(random: Random) -> None:
    weight, up, down = random(6, 5, 3, 3), random(6, 4, 1, 1), random(4, 5, 3, 3)
    x = random(2, 5, 8, 8).double()
    found = delta({"lora_up": up, "lora_down": down}, weight, None)
    branch = F.conv2d(F.conv2d(x, down.double(), padding=1), up.double())
    torch.testing.assert_close(F.conv2d(x, found.double(), padding=1), branch, atol=1e-4, rtol=1e-5)


def test_a_middle_tensor_is_a_convolution_between(random: Random) -> None:
    weight, up, mid, down = random(6, 5, 3, 3), random(6, 4, 1, 1), random(4, 2, 3, 3), random(2, 5, 1, 1)
    x = random(2, 5, 8, 8).double()
    parts = {"lora_up": up, "lora_mid": mid, "lora_down": down, "alpha": torch.tensor(1.0)}
    inner = F.conv2d(F.conv2d(x, down.double()), mid.double(), padding=1)
    branch = F.conv2d(inner, up.double()) * 0.5
    found = delta(parts, weight, None)
    torch.testing.assert_close(F.conv2d(x, found.double(), padding=1), branch, atol=1e-4, rtol=1e-5)
    assert torch.equal(delta(parts, weight, 1), found)


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 1, 1)])
@pytest.mark.parametrize("saved", [(), (1, 1)])
def test_linear_and_1x1_convolution_are_the_same(
    random: Random, shape: tuple[int, ...], saved: tuple[int, ...]
) -> None:
    up, down = random(6, 2), random(2, 5)
    parts = {"lora_up": up.reshape(6, 2, *saved), "lora_down": down.reshape(2, 5, *saved)}
    found = delta(parts, random(*shape), None)
    torch.testing.assert_close(found, (up @ down).reshape(shape))


@settings(max_examples=30, deadline=None)
@given(full=st.integers(1, 6), rank=st.integers(0, 8), alpha=st.floats(0.25, 8), seed=st.integers(0, 99))
def test_a_cut_rank_keeps_the_scale_of_the_full_one(full: int, rank: int, alpha: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    up, down = torch.randn(4, full, generator=generator), torch.randn(full, 3, generator=generator)
    parts = {"lora_up": up, "lora_down": down, "alpha": torch.tensor(alpha)}
    want = sum(
        (torch.outer(up[:, i].double(), down[i].double()) for i in range(min(rank, full))),
        start=torch.zeros(4, 3, dtype=torch.float64),
    )
    found = delta(parts, torch.zeros(4, 3), rank)
    torch.testing.assert_close(found.double(), want * alpha / full, atol=1e-4, rtol=1e-4)


def test_scale_wins_over_alpha(random: Random) -> None:
    up, down = random(4, 2), random(2, 3)
    parts = {"lora_up": up, "lora_down": down, "alpha": torch.tensor(9.0), "scale": torch.tensor(0.25)}
    torch.testing.assert_close(delta(parts, random(4, 3), None), (up @ down) * 0.25)


def test_half_precision_files_are_computed_in_float32(random: Random) -> None:
    up, down = random(4, 2).half(), random(2, 3).bfloat16()
    found = change({"lora_up": up, "lora_down": down}, random(4, 3)).weight
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, up.float() @ down.float())
