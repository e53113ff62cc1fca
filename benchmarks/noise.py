"""Milliseconds to draw noise: `python -m benchmarks.noise`.

The bar is 5 ms for the latent of a 1024 x 1024 picture, 4 x 128 x 128, as an NVIDIA GPU would draw it
(option randn_source NV). Brownian noise, that of the SDE samplers, is drawn for one step of 20.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from itertools import pairwise

import torch

from sdapi_compat.sampling.noise import ImageNoise, NoiseSeeds, Source

SHAPES = ((4, 64, 64), (4, 128, 128))
SOURCES: tuple[Source, ...] = ("NV", "CPU")
SIGMA_MIN, SIGMA_MAX, STEPS = 0.0292, 14.6146, 20


def main() -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=50, help="draws of each kind; the best counts")
    runs = parser.parse_args().runs
    torch.set_num_threads(1)
    print(f"{'milliseconds, best of ' + str(runs):34}{'latent':>10}{'Brownian':>10}")
    for source in SOURCES:
        for shape in SHAPES:
            noise = ImageNoise(shape, NoiseSeeds(seeds=(1,), source=source))
            name = f"{source}, {' x '.join(map(str, shape))}"
            print(f"{name:34}{best(noise.next, runs):10.2f}{brownian(noise):10.2f}")
    return 0


def brownian(noise: ImageNoise) -> float:
    """Milliseconds for a step of a schedule that is even in log sigma, as the mean over all steps."""
    between = noise.brownian(SIGMA_MIN, SIGMA_MAX)
    ratio = math.log(SIGMA_MIN / SIGMA_MAX) / STEPS
    levels = [SIGMA_MAX * math.exp(ratio * step) for step in range(STEPS + 1)]
    begun = time.perf_counter()
    for sigma, sigma_next in pairwise(levels):
        between(sigma, sigma_next)
    return (time.perf_counter() - begun) / STEPS * 1000


def best(draw: Callable[[], object], runs: int) -> float:
    """Milliseconds of the quickest call."""
    seconds = []
    for _ in range(runs):
        begun = time.perf_counter()
        draw()
        seconds.append(time.perf_counter() - begun)
    return min(seconds) * 1000


if __name__ == "__main__":
    sys.exit(main())
