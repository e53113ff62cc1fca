"""The noise of training, and the arithmetic of v-prediction on SD1's schedule."""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from .parts import DDPMScheduler, Scheduler

#: Strength of the noise that is constant over a channel: lets the prompt, not the noise, set the mean colour.
OFFSET_NOISE = 0.12
#: Sides in latents of squares that share some noise, and how strong that is at most. While sampling, what the
#: model got wrong in earlier steps looks like this; it must learn to trust the prompt, not what it sees.
SQUARES, BLOTCHES = (2, 4, 8), 0.5
#: Share of samples, and largest strength, of noise that resembles the picture: strong guidance
#: overshoots in just this direction, and the model must learn to come back from there.
OVERSHOOT_SHARE, OVERSHOOT = 0.15, 0.5


def schedule() -> Scheduler:
    """SD1's noise schedule, with v-prediction."""
    return DDPMScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, prediction_type="v_prediction"
    )


@lru_cache(maxsize=1)
def alphas() -> Tensor:
    """The schedule's cumulated alphas (1000,): shares of the picture in a latent's variance."""
    cumulated: Tensor = schedule().alphas_cumprod
    return cumulated


def shares(times: Tensor) -> tuple[Tensor, Tensor]:
    """Factors (n, 1, 1, 1) of the picture and of the noise at ``times`` (n,); below 0 there is no noise."""
    kept = torch.where(times < 0, torch.ones(()), alphas()[times.clamp_min(0)])[:, None, None, None]
    return kept.sqrt(), (1 - kept).sqrt()


def training_noise(latents: Tensor) -> Tensor:
    """Noise (n, 4, h, w) for ``latents`` of that shape: white, plus an offset, blotches, and some overshoot.

    Blotches are the multi-resolution noise of Whitaker, "Multi-Resolution Noise for Diffusion Model Training"
    (2023), at random strengths.
    """
    count, channels, height, width = latents.shape
    offset = torch.randn(count, channels, 1, 1)
    strength = BLOTCHES * torch.rand(count, 1, 1, 1)
    blotches = torch.zeros_like(latents)
    for side in SQUARES:
        coarse = torch.randn(count, channels, -(-height // side), -(-width // side))
        blotches += F.interpolate(coarse, size=(height, width))
    chosen = (torch.rand(count, 1, 1, 1) < OVERSHOOT_SHARE).float()
    overshoot = chosen * OVERSHOOT * torch.rand(count, 1, 1, 1)
    white = torch.randn_like(latents)
    return white + OFFSET_NOISE * offset + strength * blotches + overshoot * latents


def noised(latents: Tensor, times: Tensor) -> Tensor:
    """``latents`` (n, 4, h, w) with the :func:`training_noise` of ``times`` (n,)."""
    signal, sigma = shares(times)
    return signal * latents + sigma * training_noise(latents)


def velocity(noisy: Tensor, clean: Tensor, times: Tensor) -> Tensor:
    """The v (n, 4, h, w) that leads from ``noisy`` latents at ``times`` (n,) to ``clean`` ones.

    Salimans and Ho, "Progressive Distillation for Fast Sampling of Diffusion Models" (2022).
    """
    signal, sigma = shares(times)
    return (signal * noisy - clean) / sigma


def euler_step(noisy: Tensor, predicted: Tensor, times: Tensor, later: Tensor) -> Tensor:
    """Latents at ``later`` (n,) when v at ``times`` (n,) is ``predicted``; Euler's method, as in DDIM."""
    signal, sigma = shares(times)
    clean, noise = signal * noisy - sigma * predicted, sigma * noisy + signal * predicted
    signal, sigma = shares(later)
    return signal * clean + sigma * noise


def guided(predicted: Tensor, without: Tensor, scale: float | Tensor) -> Tensor:
    """Classifier-free guidance: ``predicted`` with its difference from ``without`` a prompt scaled."""
    return without + scale * (predicted - without)
