"""Live previews without a VAE: latents shown through a linear map to RGB."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sdapi_compat.imaging import grid

Float32 = NDArray[np.float32]


def approximate(latent: Float32, to_rgb: Float32) -> Image.Image:
    """A float32 (C, h, w) latent as an RGB picture of w x h pixels, an eighth of the finished size.

    `to_rgb`: float32 (C + 1, 3); its last row is the colour of an all-zero latent, RGB in [0, 1].
    """
    rgb = np.einsum("chw,cr->hwr", latent, to_rgb[:-1]) + to_rgb[-1]
    return Image.fromarray((255 * np.clip(np.nan_to_num(rgb), 0, 1)).astype(np.uint8))


def preview(latents: Float32, to_rgb: Float32) -> Image.Image:
    """One picture for a batch (B, C, h, w): itself if alone, else a grid as square as possible."""
    return sheet([approximate(latent, to_rgb) for latent in latents])


def sheet(images: list[Image.Image]) -> Image.Image:
    """The only picture, or all of them in a grid as square as possible."""
    return images[0] if len(images) == 1 else grid.make(images, grid.row_count(len(images), grid.GridRule()))
