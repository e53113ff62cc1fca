"""Encoded scenes kept in memory and renewed bit by bit: encoding each sample afresh would cost too much."""

from __future__ import annotations

import random

import torch
from torch import Tensor

from .autoencoder import pictures_to_tensor
from .parts import Autoencoder
from .scenes import Topic, render, sample_scene, sample_topic, varied_scene
from .vocabulary import Concept

#: Share of scenes with two things, which are drawn smaller than one and so are harder.
PAIR_SHARE = 0.35


class LatentPool:
    """Scaled latents (4, height, width) float32 of up to ``capacity`` scenes, with their topics."""

    def __init__(self, vae: Autoencoder, concepts: list[Concept], shape: tuple[int, int], seed: int) -> None:
        self._vae = vae
        self._concepts = concepts
        self._shape = shape
        self._rng = random.Random(seed)
        self._topics: list[Topic] = []
        self._latents: list[Tensor] = []

    def __len__(self) -> int:
        return len(self._topics)

    def renew(self, count: int, capacity: int) -> None:
        """Encode ``count`` new scenes; over ``capacity`` they take the places of random old ones."""
        topics = [sample_topic(self._rng, self._concepts, PAIR_SHARE) for _ in range(count)]
        height, width = (8 * side for side in self._shape)
        scenes = [varied_scene(self._rng, topic) for topic in topics]
        pixels = pictures_to_tensor([render(scene, width, height) for scene in scenes])
        with torch.no_grad():
            inputs = pixels.to(memory_format=torch.channels_last)
            latents = self._vae.encode(inputs).latent_dist.mean * self._vae.config.scaling_factor
        for topic, latent in zip(topics, latents, strict=True):
            if len(self._topics) < capacity:
                self._topics.append(topic)
                self._latents.append(latent.clone())
            else:
                place = self._rng.randrange(capacity)
                self._topics[place], self._latents[place] = topic, latent.clone()

    def draw(self, count: int) -> tuple[Tensor, list[Topic]]:
        """Latents (count, 4, height, width) and their topics."""
        places = [self._rng.randrange(len(self._topics)) for _ in range(count)]
        return torch.stack([self._latents[place] for place in places]), [
            self._topics[place] for place in places
        ]


def latent_scale(vae: Autoencoder, concepts: list[Concept]) -> float:
    """The factor that gives the latents of random scenes unit variance."""
    rng = random.Random(31)
    pixels = pictures_to_tensor([render(sample_scene(rng, concepts), 256) for _ in range(96)])
    with torch.no_grad():
        return 1.0 / float(vae.encode(pixels).latent_dist.mean.std())
