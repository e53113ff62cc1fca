"""Encoded scenes kept in memory and renewed bit by bit: encoding each sample afresh would cost too much."""

from __future__ import annotations

import random

import torch
from torch import Tensor

from .autoencoder import pictures_to_tensor
from .captions import caption
from .parts import Autoencoder
from .scenes import Scene, render, sample_scene
from .vocabulary import Concept


class LatentPool:
    """Scaled latents (4, side, side) float32 of ``capacity`` scenes, with captions made at each draw."""

    def __init__(self, vae: Autoencoder, concepts: list[Concept], side: int, seed: int) -> None:
        self._vae = vae
        self._concepts = concepts
        self._side = side
        self._rng = random.Random(seed)
        self._scenes: list[Scene] = []
        self._latents: list[Tensor] = []

    def __len__(self) -> int:
        return len(self._scenes)

    def renew(self, count: int, capacity: int) -> None:
        """Encode ``count`` new scenes; over ``capacity`` they take the places of random old ones."""
        scenes = [sample_scene(self._rng, self._concepts) for _ in range(count)]
        pixels = pictures_to_tensor([render(scene, 8 * self._side) for scene in scenes])
        with torch.no_grad():
            inputs = pixels.to(memory_format=torch.channels_last)
            latents = self._vae.encode(inputs).latent_dist.mean * self._vae.config.scaling_factor
        for scene, latent in zip(scenes, latents, strict=True):
            if len(self._scenes) < capacity:
                self._scenes.append(scene)
                self._latents.append(latent.clone())
            else:
                place = self._rng.randrange(capacity)
                self._scenes[place], self._latents[place] = scene, latent.clone()

    def draw(self, count: int) -> tuple[Tensor, list[str]]:
        """Latents (count, 4, side, side) and their captions."""
        places = [self._rng.randrange(len(self._scenes)) for _ in range(count)]
        captions = [caption(self._rng, self._scenes[place]) for place in places]
        return torch.stack([self._latents[place] for place in places]), captions


def latent_scale(vae: Autoencoder, concepts: list[Concept]) -> float:
    """The factor that gives the latents of random scenes unit variance."""
    rng = random.Random(31)
    pixels = pictures_to_tensor([render(sample_scene(rng, concepts), 256) for _ in range(96)])
    with torch.no_grad():
        return 1.0 / float(vae.encode(pixels).latent_dist.mean.std())
