"""Milliseconds and bytes of a finished picture on its way into a reply:
`python -m benchmarks.pictures [FILE ...]`.

Each picture file, or without any two that are made up, as PNG with an infotext and then base64, beside
Pillow's PNG at its levels 1 and 6 (its default). The bars for 512 x 512: 12 ms, and 1.3 times the bytes of
Pillow's default.
"""

from __future__ import annotations

import argparse
import base64
import io
import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from PIL import Image

from sdapi_compat.metadata.images import ImageSpec, encode

INFOTEXT = "a red apple on a table\nSteps: 20, Sampler: Euler, CFG scale: 7.0, Seed: 1, Size: 512x512"
SIDE = 512
OCTAVES = (4, 8, 16, 32, 64, 128, 256, 512)
PILLOW_LEVELS = (1, 6)


def main() -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("files", nargs="*", help="pictures to encode")
    parser.add_argument("--runs", type=int, default=50, help="how often; the best counts")
    asked = parser.parse_args()
    pictures = {name: Image.open(name).convert("RGB") for name in asked.files}
    for name, picture in (pictures or {"clouds": clouds(), "clouds with grain": clouds(grain=12)}).items():
        width, height = picture.size
        print(f"{name}, {width} x {height}, best of {asked.runs}")
        show("PNG and base64", partial(reply, picture), asked.runs)
        for level in PILLOW_LEVELS:
            show(f"Pillow, level {level}", partial(pillow, picture, level), max(1, asked.runs // 10))
    return 0


def show(name: str, work: Callable[[], bytes], runs: int) -> None:
    """One line: milliseconds of the quickest run, and bytes before base64."""
    seconds = []
    for _ in range(runs):
        begun = time.perf_counter()
        made = work()
        seconds.append(time.perf_counter() - begun)
    data = made if made.startswith(b"\x89PNG") else base64.b64decode(made)
    print(f"  {name:20}{min(seconds) * 1000:8.1f} ms{len(data):10d} bytes")


def reply(picture: Image.Image) -> bytes:
    """What a reply holds."""
    return base64.b64encode(encode(picture, ImageSpec(), INFOTEXT, {}))


def pillow(picture: Image.Image, level: int) -> bytes:
    """Pillow's own PNG."""
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=level)
    return file.getvalue()


def clouds(grain: float = 0.0) -> Image.Image:
    """Smooth noise of many sizes, as hard to compress as a photograph; `grain`: levels of noise on top."""
    random = np.random.default_rng(0)
    levels = np.full((SIDE, SIDE, 3), 128.0)
    for octave in OCTAVES:
        for channel in range(3):
            coarse = random.normal(size=(octave, octave)).astype(np.float32)
            smooth = Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            levels[..., channel] += np.asarray(smooth) * 80 / octave**0.7
    levels += random.normal(size=levels.shape) * grain
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))


if __name__ == "__main__":
    sys.exit(main())
