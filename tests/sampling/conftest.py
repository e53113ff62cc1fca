"""What the sampling tests share: a schedule, toy models, and a way to run a sampler against a model."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from sdapi_compat.sampling.ask import Denoise, NoisePrediction, PredictNoise
from sdapi_compat.sampling.noise_schedule import NoiseSchedule, scaled_linear_alphas_cumprod


class Ran(NamedTuple):
    """A sampler's result and everything it asked."""

    x: Tensor
    asks: list[Any]


Model = Callable[[Tensor, float], Tensor]
Drive = Callable[[Generator[Any, Any, Tensor], Model], Ran]


@pytest.fixture(scope="session")
def schedule() -> NoiseSchedule:
    """Stable Diffusion's own schedule."""
    return NoiseSchedule(scaled_linear_alphas_cumprod())


@pytest.fixture(scope="session")
def gaussian() -> Model:
    """D of data that is normal with deviation 0.5: x0 = x * sd^2 / (sd^2 + sigma^2)."""
    return lambda x, sigma: x * (0.25 / (0.25 + sigma**2))


@pytest.fixture(scope="session")
def exact() -> Callable[[Tensor, float, float], Tensor]:
    """The solution of the probability flow ODE of `gaussian`, from one noise level to another."""
    return lambda x, start, end: x * ((0.25 + end**2) / (0.25 + start**2)) ** 0.5


@pytest.fixture(scope="session")
def wavy() -> Model:
    """A model that is not linear in x, so that the order of evaluations matters."""
    return lambda x, sigma: 0.8 * x / (1 + sigma * sigma) + 0.3 * torch.sin(3 * x / (1 + sigma))


@pytest.fixture(scope="session")
def drive(schedule: NoiseSchedule) -> Drive:
    """Runs a sampler against D(x, sigma).

    An ask for noise is answered with eps = (x_sigma - D) / sigma at the level of its time, with log abar
    linear between the whole ones; its unconditional part is 0.9 times that.
    """

    def answer(ask: Denoise | PredictNoise, model: Model) -> Tensor | NoisePrediction:
        if isinstance(ask, Denoise):
            return model(ask.x, ask.sigma)
        log_abar = schedule.alphas_cumprod.double().log()
        low = min(int(ask.timestep), 998)
        abar = float(torch.lerp(log_abar[low], log_abar[low + 1], ask.timestep - low).exp())
        sigma = ((1 - abar) / abar) ** 0.5
        x = ask.x * (1 + sigma**2) ** 0.5
        eps = (x - model(x, sigma)) / sigma
        return NoisePrediction(eps, 0.9 * eps)

    def run(sampler: Generator[Any, Any, Tensor], model: Model) -> Ran:
        asks = []
        try:
            ask = next(sampler)
            while True:
                asks.append(ask)
                ask = sampler.send(answer(ask, model))
        except StopIteration as stop:
            return Ran(stop.value, asks)

    return run


@pytest.fixture
def start() -> Tensor:
    """Unit noise (2, 4, 4, 4) in float64."""
    return torch.randn(2, 4, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.fixture
def tape() -> Callable[[], Callable[[], Tensor]]:
    """Makes noise sources that all play the same noises (2, 4, 4, 4) in float64."""

    def source() -> Callable[[], Tensor]:
        generator = torch.Generator().manual_seed(7)
        return lambda: torch.randn(2, 4, 4, 4, generator=generator, dtype=torch.float64)

    return source
