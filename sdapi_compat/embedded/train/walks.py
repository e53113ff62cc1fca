"""Training on the sampler's own paths: what a few steps of the model made of noise, it is taught to mend.

In training on noised pictures alone a model never sees its own mistakes; while sampling it sees little else
("exposure bias"; Ning et al., "Elucidating the Exposure Bias in Diffusion Models", 2023). A walk costs
nothing more: the prediction that is learned from is also the one that leads to the next place.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .noise import euler_step, noised, shares
from .reading import importance, tinted

#: Numbers of steps of the samplers, as often as they are walked.
STEPS = (20, 20, 20, 20, 10, 30, 50)
#: Share of walks that start at pure noise, as pictures do, among those that may.
PURE_SHARE = 0.6
#: How often a walk is given up at a step of a sampler of twenty, so that early steps are walked more.
GIVEN_UP = 0.025
#: With 2, errors of the picture would count alike in all steps; then late steps fray edges. With 1, half of
#: all gradients come from the last step, in which nothing can be mended.
SIGMA_POWER = 1.5
TIMES = 1000


@dataclass(frozen=True)
class Start:
    """What a walk is about: a scene's latents (1, 4, h, w), text states (1, length, width), and what they
    plan as latents, which is what it should lead to.

    ``pinned``: the words name the background, so that nothing about it is left to the noise.
    """

    latents: Tensor
    states: Tensor
    reading: Tensor
    pinned: bool


@dataclass
class _Walk:
    place: Tensor
    time: int
    stride: int
    states: Tensor
    target: Tensor
    weights: Tensor


class Walks:
    """``count`` walks at once; those that end begin anew from what ``start`` gives."""

    def __init__(self, count: int, start: Callable[[], Start], rng: random.Random) -> None:
        self._start = start
        self._rng = rng
        self._walks = [self._begun() for _ in range(count)]

    def _begun(self) -> _Walk:
        start = self._start()
        stride = TIMES // self._rng.choice(STEPS)
        # As A1111 spaces its times: from the last whole stride down to 1.
        time = 1 + stride * (TIMES // stride - 1)
        weights = importance(start.reading)
        if start.pinned and self._rng.random() < PURE_SHARE:
            place = torch.randn_like(start.latents)
            return _Walk(place, time, stride, start.states, start.reading, weights)
        place = noised(start.latents, torch.tensor([time]))
        return _Walk(place, time, stride, start.states, tinted(start.reading, start.latents), weights)

    def places(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Noisy latents (n, 4, h, w), times (n,), text states (n, length, width), and targets as latents."""
        return (
            torch.cat([walk.place for walk in self._walks]),
            torch.tensor([walk.time for walk in self._walks]),
            torch.cat([walk.states for walk in self._walks]),
            torch.cat([walk.target for walk in self._walks]),
        )

    def weights(self) -> Tensor:
        """How much errors of v count (n, 1, h, w): a little more than the picture's errors that they make."""
        sigmas = shares(torch.tensor([walk.time for walk in self._walks]))[1]
        return sigmas.pow(SIGMA_POWER) * torch.cat([walk.weights for walk in self._walks])

    def advance(self, predicted: Tensor) -> None:
        """Go one step with the v (n, 4, h, w) predicted for :meth:`places`."""
        for index, walk in enumerate(self._walks):
            later = walk.time - walk.stride
            if later < 0 or self._rng.random() < GIVEN_UP * walk.stride * 20 / TIMES:
                self._walks[index] = self._begun()
                continue
            times = torch.tensor([walk.time]), torch.tensor([later])
            walk.place = euler_step(walk.place, predicted[index : index + 1], *times)
            walk.time = later
