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
PAIR_SHARE = 0.45
#: The shape that most requests have, in latents (height, width).
USUAL = (64, 64)
#: Other shapes, by how often they are drawn.
OTHER_SHAPES = {
    (32, 32): 6, (48, 48): 2, (80, 80): 2, (96, 96): 4, (128, 128): 2,
    (48, 64): 1, (64, 48): 1, (64, 96): 1, (96, 64): 1, (48, 80): 1, (80, 48): 1,
}  # fmt: skip
#: Scenes kept of the usual shape and of each other one; a scene is used some sixteen times.
KEPT, KEPT_OTHER = 1500, 100
RENEWED_SHARE = 0.25


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


class Scenes:
    """Encoded scenes of all shapes, renewed while they are drawn."""

    def __init__(self, vae: Autoencoder, concepts: list[Concept], rng: random.Random, seed: int) -> None:
        self._rng = rng
        self._pools = {shape: LatentPool(vae, concepts, shape, seed) for shape in (USUAL, *OTHER_SHAPES)}

    def draw(self, shape: tuple[int, int], count: int) -> tuple[Tensor, list[Topic]]:
        """Scaled latents (count, 4, *shape) and their topics."""
        pool = self._pools[shape]
        if len(pool) < 4 * count or self._rng.random() < RENEWED_SHARE:
            pool.renew(max(2, count // 3), KEPT if shape == USUAL else KEPT_OTHER)
        return pool.draw(count)

    def shape(self, batch: int, other_share: float) -> tuple[tuple[int, int], int]:
        """A shape, in ``other_share`` (0..1) of all cases not the usual one, and how many samples to take.

        Those of another shape cost about three quarters of ``batch`` usual ones.
        """
        if self._rng.random() >= other_share:
            return USUAL, batch
        shape = self._rng.choices(list(OTHER_SHAPES), list(OTHER_SHAPES.values()))[0]
        return shape, max(3, round(0.75 * batch * USUAL[0] * USUAL[1] / (shape[0] * shape[1])))


def latent_scale(vae: Autoencoder, concepts: list[Concept]) -> float:
    """The factor that gives the latents of random scenes unit variance."""
    rng = random.Random(31)
    pixels = pictures_to_tensor([render(sample_scene(rng, concepts), 256) for _ in range(96)])
    with torch.no_grad():
        return 1.0 / float(vae.encode(pixels).latent_dist.mean.std())
