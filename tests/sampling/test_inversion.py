"""The way from a picture back to noise, on denoisers whose solution is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from typing import Any

import pytest
import torch
from torch import Tensor

from sdapi_compat.sampling.ask import Denoise
from sdapi_compat.sampling.inversion import euler_inversion, mixed, over
from sdapi_compat.sampling.recipe import Churn
from sdapi_compat.sampling.samplers.euler import euler

UP = [0.0, *torch.linspace(math.log(0.03), math.log(14.6), 200).exp().tolist()]


def drive(
    sampler: Generator[Any, Any, Tensor], denoise: Callable[[Denoise], Tensor]
) -> tuple[Tensor, list[Denoise]]:
    asks = []
    answer = None
    while True:
        try:
            ask = sampler.send(answer)
        except StopIteration as stop:
            return stop.value, asks
        asks.append(ask)
        answer = denoise(ask)


def gaussian(ask: Denoise) -> Tensor:
    """The ideal denoiser of data that is itself unit Gaussian: the flow only scales, by sqrt(1 + sigma^2)."""
    return ask.x / (1 + ask.sigma**2)


@pytest.fixture
def clean() -> Tensor:
    return torch.randn((2, 4, 8, 8), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("from_below", [False, True])
def test_the_way_back_scales_gaussian_data(clean: Tensor, from_below: bool) -> None:
    noise, _ = drive(euler_inversion(clean, UP, from_below=from_below), gaussian)
    expected = clean * (math.sqrt(1 + UP[-1] ** 2) / UP[-1]) if from_below else clean
    deviation = clean.std(dim=(1, 2, 3), keepdim=True)
    expected = expected if from_below else expected / deviation
    assert (noise - expected).abs().max() < 0.1


@pytest.mark.parametrize("from_below", [False, True])
def test_down_again_gives_the_picture(clean: Tensor, from_below: bool) -> None:
    noise, _ = drive(euler_inversion(clean, UP, from_below=from_below), gaussian)
    if not from_below:
        noise = noise * clean.std(dim=(1, 2, 3), keepdim=True)
    down = list(reversed(UP))
    again, _ = drive(euler(noise * down[0], down, lambda: torch.zeros(()), churn=Churn()), gaussian)
    assert (again - clean).abs().max() < 0.15


def test_each_step_asks_at_its_upper_or_its_lower_level(clean: Tensor) -> None:
    levels = [0.0, 0.5, 1.0, 2.0]
    _, above = drive(euler_inversion(clean, levels, from_below=False), gaussian)
    _, below = drive(euler_inversion(clean, levels, from_below=True), gaussian)
    assert [(ask.step, ask.sigma) for ask in above] == [(0, 0.5), (1, 1.0), (2, 2.0)]
    assert [(ask.step, ask.sigma) for ask in below] == [(1, 0.5), (2, 1.0)]
    assert torch.equal(below[0].x, clean)


def test_noise_has_unit_size_image_by_image(clean: Tensor) -> None:
    scaled = clean * torch.tensor([1.0, 5.0]).view(2, 1, 1, 1)
    noise, _ = drive(euler_inversion(scaled, UP, from_below=False), gaussian)
    assert noise.std(dim=(1, 2, 3)).tolist() == pytest.approx([1.0, 1.0])


def test_flat_latents_give_no_nan() -> None:
    noise, _ = drive(euler_inversion(torch.zeros(1, 4, 2, 2), [0.0, 1.0], from_below=False), gaussian)
    assert not noise.isnan().any()


@pytest.mark.parametrize("randomness", [0.0, 0.3, 1.0])
def test_mixed_noise_keeps_its_size(randomness: float) -> None:
    one, other = torch.randn((2, 1, 4, 64, 64), generator=torch.Generator().manual_seed(1))
    mix = mixed(one, other, randomness)
    assert float(mix.std()) == pytest.approx(1.0, abs=0.03)
    assert torch.equal(mixed(one, other, 0.0), one)
    assert torch.equal(mixed(one, other, 1.0), other)


def test_a_start_over_the_picture_is_noise_alone(clean: Tensor) -> None:
    noise = torch.randn_like(clean)
    assert torch.allclose(clean + over(clean, noise, 14.6) * 14.6, noise * 14.6, atol=1e-5)
