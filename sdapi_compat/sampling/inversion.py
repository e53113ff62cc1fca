"""From a picture back to the noise it comes from: Euler's method, run up the noise levels instead of down."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from sdapi_compat.sampling.ask import Denoise, SigmaSampler
from sdapi_compat.sampling.samplers.steps import derivative

LEAST_DEVIATION = 1e-8


def euler_inversion(clean: Tensor, sigmas: Sequence[float], *, from_below: bool) -> SigmaSampler:
    """The noise (B, C, h, w), of unit size, whose Euler path ends at `clean`. `sigmas` ascend from 0.

    The probability flow of Karras et al. 2022, equation 1, integrated upwards. Each step follows the slope
    of its upper level, taken at the latents of its lower one; `from_below`: the slope of its lower level, so
    that the first step, which has no noise to follow, leaves the latents alone. The result is scaled by its
    own deviation, image by image; `from_below`: by the last noise level.
    """
    x = clean
    for step, (low, high) in enumerate(pairwise(sigmas)):
        level = low if from_below else high
        if level > 0:
            denoised = yield Denoise(x, level, step)
            x = x + derivative(x, level, denoised) * (high - low)
    if from_below:
        return x / sigmas[-1]
    return x / x.std(dim=(1, 2, 3), keepdim=True).clamp(min=LEAST_DEVIATION)


def mixed(recovered: Tensor, random: Tensor, randomness: float) -> Tensor:
    """Recovered and random noise mixed, scaled to unit size as if both were independent."""
    share = recovered * (1 - randomness) + random * randomness
    return share / math.hypot(randomness, 1 - randomness)


def over(clean: Tensor, noise: Tensor, sigma_max: float) -> Tensor:
    """What to add to `clean` at `sigma_max` to get `noise` alone, of that size."""
    return noise - clean / sigma_max
