"""Brownian motion over noise levels, drawn lazily and reproducibly: the virtual Brownian tree.

Li et al. 2020, "Scalable Gradients for Stochastic Differential Equations", section 4 and Algorithm 3. Seeds,
rounding and tree are those of torchsde's BrownianTree, so the noise is the same to float32 rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

SeededNormal: TypeAlias = Callable[[int], Tensor]
"""Unit noise float32 for a seed; the same seed gives the same noise."""

_POOL_SIZE = 24
_DIGITS = 6  # times are told apart to 1e-6
_KEPT_POINTS = 4  # a step of any sampler here looks at no more than three


class _Node(NamedTuple):
    """A dyadic interval of the tree and the motion at its ends. `key` and `depth` name it."""

    start: float
    end: float
    at_start: Tensor
    at_end: Tensor
    key: int
    depth: int


class BrownianTree:
    """One Brownian motion per entropy over [sigma_min, sigma_max], read as unit noise between two levels.

    Calling it gives (W(sigma_next) - W(sigma)) / sqrt(|sigma_next - sigma|), (N, *shape) float32 with one row
    per entropy and `shape` that of `normal`. Levels outside the interval count as its nearest end.
    """

    def __init__(
        self, entropies: Sequence[int], sigma_min: float, sigma_max: float, normal: SeededNormal
    ) -> None:
        self._entropies = list(entropies)
        self._normal = normal
        self._start, self._end = round(sigma_min, _DIGITS), round(sigma_max, _DIGITS)
        total = self._noise(()) * math.sqrt(sigma_max - sigma_min)
        # The intervals that lead to the last time looked up, outermost first: the next time is near it.
        self._path = [_Node(self._start, self._end, torch.zeros_like(total), total, 0, 0)]
        self._points: dict[float, Tensor] = {}

    def __call__(self, sigma: float, sigma_next: float, /) -> Tensor:
        if sigma == sigma_next:
            return torch.zeros_like(self._path[0].at_end)
        return (self._at(sigma_next) - self._at(sigma)) / math.sqrt(abs(sigma_next - sigma))

    def _at(self, sigma: float) -> Tensor:
        """W(sigma) - W(sigma_min)."""
        time = min(max(round(sigma, _DIGITS), self._start), self._end)
        found = self._points.get(time)
        if found is None:
            found = self._descend(time)
            while len(self._points) >= _KEPT_POINTS:
                del self._points[next(iter(self._points))]
            self._points[time] = found
        return found

    def _descend(self, time: float) -> Tensor:
        """Halve intervals, filling in the Brownian bridge, until one ends at `time`."""
        while not self._path[-1].start <= time <= self._path[-1].end:
            self._path.pop()
        while time not in (self._path[-1].start, self._path[-1].end):
            self._path.append(self._half(self._path[-1], time))
        node = self._path[-1]
        return node.at_start if time == node.start else node.at_end

    def _half(self, node: _Node, time: float) -> _Node:
        """The half of an interval that `time` lies in."""
        start, end, at_start, at_end, key, depth = node
        middle = round(0.5 * (end + start), _DIGITS)
        bridge = self._noise((key, depth)) * math.sqrt((middle - start) * (end - middle) / (end - start))
        at_middle = at_start + (at_end - at_start) * ((middle - start) / (end - start)) + bridge
        if time <= middle:
            return _Node(start, middle, at_start, at_middle, 2 * key, depth + 1)
        return _Node(middle, end, at_middle, at_end, 2 * key + 1, depth + 1)

    def _noise(self, spawn_key: tuple[int, ...]) -> Tensor:
        """Unit noise of every motion at one node of the tree."""
        return torch.stack([self._normal(_seed(entropy, spawn_key)) for entropy in self._entropies])


def _seed(entropy: int, spawn_key: tuple[int, ...]) -> int:
    sequence = np.random.SeedSequence(entropy=entropy, spawn_key=spawn_key, pool_size=_POOL_SIZE)
    return int(sequence.generate_state(1)[0])
