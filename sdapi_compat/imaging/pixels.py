"""Between pictures and the float arrays a VAE reads and writes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Float32 = NDArray[np.float32]


def to_images(decoded: Float32) -> list[Image.Image]:
    """float32 (N, 3, H, W), nominally [-1, 1] -> N RGB pictures; anything beyond is clamped.

    A1111 1.10.1 behaviour: float32 arithmetic, and levels are truncated, not rounded.
    """
    unit = np.clip((decoded.astype(np.float32, copy=False) + np.float32(1)) / np.float32(2), 0, 1)
    levels = (np.float32(255) * unit).astype(np.uint8)
    return [Image.fromarray(np.ascontiguousarray(levels[i].transpose(1, 2, 0))) for i in range(len(levels))]


def to_unit_array(image: Image.Image) -> Float32:
    """A picture as float32 (3, H, W) in [0, 1]."""
    return np.asarray(image.convert("RGB"), dtype=np.float32).transpose(2, 0, 1) / np.float32(255)


def to_array(image: Image.Image) -> Float32:
    """A picture as float32 (3, H, W) in [-1, 1], what a VAE encoder takes."""
    return to_unit_array(image) * np.float32(2) - np.float32(1)
