"""Brownian motion over noise levels, by torchsde's virtual Brownian tree.

Li et al. 2020, "Scalable Gradients for Stochastic Differential Equations", section 4 and Algorithm 3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
import torchsde
from torch import Tensor
from torch.overrides import TorchFunctionMode

from sdapi_compat.sampling.philox import PhiloxGenerator

_DIGITS = 6  # torchsde tells times apart to 1e-6


class BrownianNoise:
    """One Brownian motion per entropy over [sigma_min, sigma_max], read as unit noise between two levels.

    Calling it gives (W(sigma_next) - W(sigma)) / sqrt(|sigma_next - sigma|), (N, *like.shape) float32 with
    one row per entropy (0 to 2^64 - 1), on the device of `like`. Levels outside the interval count as its
    nearest end. `nvidia`: the tree's normals are those of the Philox generator; then `like` is on the CPU.
    """

    def __init__(
        self,
        entropies: Sequence[int],
        sigma_min: float,
        sigma_max: float,
        like: Tensor,
        *,
        nvidia: bool = False,
    ) -> None:
        self._ends = round(sigma_min, _DIGITS), round(sigma_max, _DIGITS)
        self._normals = _PhiloxNormals() if nvidia else nullcontext()
        zero = torch.zeros_like(like)
        with self._normals:
            self._trees = [
                torchsde.BrownianTree(sigma_min, zero, sigma_max, entropy=entropy) for entropy in entropies
            ]

    def __call__(self, sigma: float, sigma_next: float, /) -> Tensor:
        start, end = sorted((self._inside(sigma), self._inside(sigma_next)))
        if start == end:
            # torchsde would look for such an interval without end.
            return torch.stack([torch.zeros(tree.shape, device=tree.device) for tree in self._trees])
        with self._normals:
            motion = torch.stack([tree(start, end) for tree in self._trees])
        return motion * (math.copysign(1, sigma_next - sigma) / math.sqrt(abs(sigma_next - sigma)))

    def _inside(self, sigma: float) -> float:
        return min(max(round(sigma, _DIGITS), self._ends[0]), self._ends[1])


class _PhiloxNormals(TorchFunctionMode):
    """While entered, on this thread: `torch.randn` with a generator draws what CUDA would for its seed."""

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is torch.randn:
            return torch.from_numpy(PhiloxGenerator(kwargs["generator"].initial_seed()).randn(args[0]))
        return func(*args, **kwargs)
