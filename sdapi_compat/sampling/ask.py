"""What a sampler asks of the engine, and what it is given.

A sampler is a generator. It yields a request for one model evaluation, receives the answer (guidance and
masks already applied), and returns the final latents (B, C, h, w) float32.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple, Protocol, TypeAlias

from torch import Tensor


class Denoise(NamedTuple):
    """Ask of the sigma families; the answer is D(x, sigma), the denoised latents, shaped like `x`.

    x: (B, C, h, w) float32, x0 + sigma * noise.
    sigma: noise level of every row.
    step: index of the sampler's step, from 0; a step may ask more than once.
    timestep: the model time to use where it is not the schedule's t(sigma) (LCM), else None.
    """

    x: Tensor
    sigma: float
    step: int = 0
    timestep: float | None = None


class PredictNoise(NamedTuple):
    """Ask of the timestep family; the answer is a NoisePrediction.

    x: (B, C, h, w) float32, sqrt(abar) * x0 + sqrt(1 - abar) * noise.
    timestep: model time in 0..999, fractional for UniPC.
    step: index of the sampler's step, from 0; a step may ask more than once.
    """

    x: Tensor
    timestep: float
    step: int = 0


class NoisePrediction(NamedTuple):
    """Predicted noise after guidance, and the unconditional prediction of the same call."""

    eps: Tensor
    uncond: Tensor


class NoiseSource(Protocol):
    """Fresh unit noise (B, C, h, w), a new draw with every call."""

    def __call__(self) -> Tensor: ...


class BrownianSource(Protocol):
    """Unit noise of the Brownian motion between two noise levels: the same levels give the same noise."""

    def __call__(self, sigma: float, sigma_next: float, /) -> Tensor: ...


SigmaSampler: TypeAlias = Generator[Denoise, Tensor, Tensor]
TimestepSampler: TypeAlias = Generator[PredictNoise, NoisePrediction, Tensor]
