"""Packed convolutions against the usual ones."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from sdapi_compat.backend.packed_convolution import MOST_BYTES, PackedConv2d, pack_convolutions


def twins(**options: int) -> tuple[nn.Conv2d, nn.Conv2d]:
    """A convolution, and a packed one with the same weights."""
    torch.manual_seed(0)
    plain = nn.Conv2d(16, 24, 3, **options)
    packed = nn.Sequential(deepcopy(plain))
    pack_convolutions(packed)
    assert type(packed[0]) is PackedConv2d
    return plain, packed[0]


def picture(side: int, rows: int = 2) -> Tensor:
    return torch.randn(rows, 16, side, side, generator=torch.Generator().manual_seed(side))


@pytest.mark.parametrize("options", [{}, {"padding": 1}, {"padding": 1, "stride": 2}, {"groups": 8}])
def test_the_same_picture(options: dict[str, int]) -> None:
    plain, packed = twins(**options)
    with torch.inference_mode():
        for side, rows in ((8, 2), (8, 16), (32, 2), (8, 2), (9, 1)):
            x = picture(side, rows)
            assert torch.allclose(packed(x), plain(x), atol=1e-5)
            x = x.to(memory_format=torch.channels_last)
            assert torch.allclose(packed(x), plain(x), atol=1e-5)


def test_new_weights_count_at_once() -> None:
    plain, packed = twins()
    x = picture(8)
    with torch.inference_mode():
        before = packed(x)
    for change in (0.5, 2.0):
        for conv in (plain, packed):
            conv.weight.data = conv.weight.data * change
        with torch.inference_mode():
            assert torch.allclose(packed(x), plain(x), atol=1e-5)
            assert not torch.allclose(packed(x), before, atol=1e-3) or change == 2.0
    with torch.no_grad():
        for conv in (plain, packed):
            conv.weight.add_(0.25)
        assert torch.allclose(packed(x), plain(x), atol=1e-5)


def test_circular_padding_and_gradients_take_the_usual_way() -> None:
    plain, packed = twins(padding=1)
    for conv in (plain, packed):
        conv.padding_mode = "circular"
    x = picture(8)
    with torch.inference_mode():
        assert torch.equal(packed(x), plain(x))
    packed(x).sum().backward()
    assert packed.weight.grad is not None


def test_large_models_are_left_alone() -> None:
    with torch.device("meta"):
        model = nn.Sequential(nn.Conv2d(4096, MOST_BYTES // 4 // 4096 // 9 + 1, 3))
    pack_convolutions(model)
    assert type(model[0]) is nn.Conv2d
