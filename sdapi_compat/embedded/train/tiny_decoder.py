"""A tiny decoder (TAESD's layout, narrower) that imitates a model's own, for quick previews.

Teacher and pupil see the same crops of latents; what the teacher makes of them is the target. So any latents
will do, and part of them are spoilt with noise: previews show what a sampler believes half-way.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from .frozen import FrozenModel, encode_pictures, optimise
from .parts import AutoencoderTiny
from .scenes import render, sample_scene
from .vocabulary import Concept

#: The published network has 64.
WIDTH = 16
#: Blocks of three convolutions at each size of picture, as in the published network.
LEVELS = 4
#: Side of a crop, in latents, and crops per step.
CROP, BATCH = 8, 8
#: Largest standard deviation of the noise that spoils latents.
SPOILT = 0.5
#: Sizes of the scenes.
PIXELS = (256, 256, 512)


@dataclass(frozen=True)
class TinyRun:
    """Length of the training, how many scenes it sees, the learning rate's peak, and the seed."""

    steps: int = 600
    scenes: int = 80
    rate: float = 4e-3
    seed: int = 63


def build_decoder(latent_channels: int) -> Any:
    """An untrained decoder: latents (n, c, h, w) to pixels (n, 3, 8 h, 8 w) in -1..1."""
    torch.manual_seed(61)
    widths = (WIDTH,) * LEVELS
    return AutoencoderTiny(latent_channels=latent_channels, decoder_block_out_channels=widths).decoder


def train_tiny_decoder(
    model: FrozenModel, concepts: list[Concept], target: Path, run: TinyRun | None = None
) -> Path:
    """Train a decoder on what ``model`` makes of latents, and write it to ``target`` in half precision."""
    run = run or TinyRun()
    rng = random.Random(run.seed)
    torch.manual_seed(run.seed)
    shelf = [_scene_latents(model, concepts, rng) for _ in range(run.scenes)]
    decoder = build_decoder(model.vae.config.latent_channels)
    for step in optimise({run.rate: list(decoder.parameters())}, run.steps):
        latents = torch.stack([_crop(rng, rng.choice(shelf)) for _ in range(BATCH)])
        latents = latents + torch.randn_like(latents) * (torch.rand(BATCH, 1, 1, 1) * SPOILT)
        pictures = decode(model, latents)
        error = decoder(latents.to(memory_format=torch.channels_last)) - pictures
        # Squared error alone is content with blurred outlines.
        step(error.square().mean() + 0.1 * error.abs().mean())
    target.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.detach().half().contiguous() for name, value in decoder.state_dict().items()}
    save_file(tensors, target, metadata={"format": "pt"})
    return target


def _scene_latents(model: FrozenModel, concepts: list[Concept], rng: random.Random) -> Tensor:
    return encode_pictures(model, [render(sample_scene(rng, concepts), rng.choice(PIXELS))])[0]


def _crop(rng: random.Random, latents: Tensor) -> Tensor:
    top, left = (rng.randint(0, length - CROP) for length in latents.shape[1:])
    return latents[:, top : top + CROP, left : left + CROP]


def decode(model: FrozenModel, latents: Tensor) -> Tensor:
    """The model's own pictures of scaled latents, within -1..1."""
    with torch.no_grad():
        scaled = latents.to(memory_format=torch.channels_last) / model.vae.config.scaling_factor
        pictures: Tensor = model.vae.decode(scaled).sample
    return pictures.clamp(-1, 1)
