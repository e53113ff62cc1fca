"""Latents to colours without the VAE, for progress pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sdapi_compat.backend.model import DiffusionModel

PATCHES = 8
PATCH_CELLS = 4


@torch.inference_mode()
def preview_map(model: DiffusionModel) -> NDArray[np.float32]:
    """The linear map (C + 1, 3) from a latent cell and 1 to its mean RGB in [0, 1], for this model's VAE.

    Fitted by least squares over 8 x 8 flat patches of random colour in one latent that is decoded once. The
    published constants for SD 1 (A1111 1.10.1's "Approx cheap") hold for one VAE only; this holds for any.
    """
    generator = torch.Generator().manual_seed(0)
    channels = model.latent_channels
    colours = torch.randn((channels, PATCHES, PATCHES), generator=generator)
    latent = colours.repeat_interleave(PATCH_CELLS, 1).repeat_interleave(PATCH_CELLS, 2)
    decoded = model.decode(latent.unsqueeze(0).to(model.device))[0].cpu()
    seen = ((_patch_means(decoded) + 1) / 2).clamp(0, 1)
    cells = torch.cat([colours.flatten(1).T, torch.ones(PATCHES**2, 1)], dim=1)
    result: NDArray[np.float32] = torch.linalg.lstsq(cells.double(), seen.double()).solution.float().numpy()
    return result


def _patch_means(image: torch.Tensor) -> torch.Tensor:
    """Mean colour (PATCHES^2, 3) of the inner half of every patch of (3, H, W)."""
    side = image.shape[1] // PATCHES
    rim = side // 4
    tiles = image.reshape(image.shape[0], PATCHES, side, PATCHES, side)
    inner: torch.Tensor = tiles[:, :, rim:-rim, :, rim:-rim].mean(dim=(2, 4))
    return inner.flatten(1).T
