"""Between pixels and latents: the VAE. Pictures go through it one by one, small ones decode together."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import msgspec
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch import Tensor, nn

from sdapi_compat.backend.shortage import is_shortage
from sdapi_compat.errors import Fault

Noise = Callable[[tuple[int, ...]], Tensor]
T = TypeVar("T")

_log = logging.getLogger(__name__)
TILE_CELLS = 64
"""Side of a tile in latent cells: the size SD 1.x was trained at. A quarter overlaps the next one."""
TOGETHER_CELLS = 32 * 32
"""Latent cells that pictures decoded together may have in all. Beyond that nothing is gained any more."""


class NanPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What to do when a half-precision VAE overflows."""

    check: bool = True
    """False: --disable-nan-check."""
    to_float32: bool = True
    """Option auto_vae_precision."""
    to_bfloat16: bool = False
    """Option auto_vae_precision_bfloat16; comes before `to_float32`."""


class LatentCodec:
    """A VAE with the factor between its latents and the UNet's.

    Large pictures, and those that memory does not suffice for, go through it in overlapping tiles whose edges
    are blended (diffusers' tiling). A tile knows nothing of the others' brightness, so such a picture differs
    a little from one that went through whole. Wrapping convolutions need the whole picture: no tiles then.
    Small ones are decoded together, which differs from one by one by rounding.
    """

    def __init__(
        self, vae: AutoencoderKL, scaling_factor: float, device: torch.device, tiled_above: int = 0
    ) -> None:
        """`device`: where the VAE computes, wherever its weights wait.

        `tiled_above`: pictures with more pixels than a square of this side are tiled; 0: only when needed.
        """
        self.module = vae
        self._device = device
        self.scaling_factor = scaling_factor
        self._factor: int = 2 ** (len(vae.config["block_out_channels"]) - 1)
        self._whole_cells = (tiled_above // self._factor) ** 2
        vae.tile_latent_min_size = TILE_CELLS
        vae.tile_sample_min_size = TILE_CELLS * self._factor

    @property
    def dtype(self) -> torch.dtype:
        """The dtype the VAE computes in."""
        return next(self.module.parameters()).dtype

    def decode(self, latents: Tensor, nans: NanPolicy | None = None) -> Tensor:
        """(N, 4, h, w) to float32 (N, 3, 8 h, 8 w), about [-1, 1], not clamped.

        A1111 1.10.1 behaviour: a picture with NaNs is decoded once more in a wider dtype, which then stays.
        Raises Fault("NansException") when it still has them.
        """
        cells = latents.shape[2] * latents.shape[3]
        together = torch.split(latents, max(1, TOGETHER_CELLS // cells))
        return torch.cat([self._decode_some(some, nans or NanPolicy()) for some in together])

    def _decode_some(self, latents: Tensor, nans: NanPolicy) -> Tensor:
        images = self._forward(latents)
        wider = _wider(self.dtype, nans)
        if nans.check and wider is not None and bool(images.isnan().any()):
            _log.warning("the VAE produced NaNs in %s, switching it to %s", self.dtype, wider)
            self._convert(wider)
            images = self._forward(latents)
        if nans.check and bool(images.isnan().any()):
            hint = "" if self.dtype == torch.float32 else "; --no-half-vae keeps it in float32"
            raise Fault("NansException", f"The VAE produced NaNs in {self.dtype}{hint}")
        return images

    @torch.inference_mode(False)
    def _convert(self, dtype: torch.dtype) -> None:
        module: nn.Module = self.module
        module.to(dtype=dtype)

    def _forward(self, latents: Tensor) -> Tensor:
        scaled = (latents.float() / self.scaling_factor).to(self._device, self.dtype)
        height, width = scaled.shape[2:]
        images: Tensor = self._fitting(lambda: self.module.decode(scaled).sample, height, width)
        return images.float()

    def _fitting(self, work: Callable[[], T], height: int, width: int) -> T:
        """`work` on the whole picture of so many latent cells, or in tiles where it is too large for that."""
        tileable = max(height, width) > self.module.tile_latent_min_size and not self._wraps
        large = bool(self._whole_cells) and height * width > self._whole_cells
        if not (tileable and large):
            try:
                return work()
            except (RuntimeError, MemoryError) as error:
                if not tileable or not is_shortage(error):
                    raise
                _log.warning("out of memory in the VAE, going on in tiles: %s", error)
            # Here, not in the handler: the error holds on to what filled the memory.
            _give_back(self._device)
        with self._tiled():
            return work()

    @property
    def _wraps(self) -> bool:
        """Whether the convolutions wrap around the edges (`DiffusionModel.set_tiling`)."""
        return bool(self.module.decoder.conv_in.padding_mode == "circular")

    @contextmanager
    def _tiled(self) -> Iterator[None]:
        self.module.enable_tiling()  # type: ignore[no-untyped-call]
        try:
            yield
        finally:
            self.module.disable_tiling()  # type: ignore[no-untyped-call]

    def encode(self, images: Tensor, noise: Noise) -> Tensor:
        """(N, 3, H, W) in [-1, 1] to sampled and scaled float32 latents (N, 4, H/8, W/8).

        `noise` is called once per image, in order, with the shape (1, 4, H/8, W/8).
        """
        return torch.cat([self._sample(self._posterior(image), noise) for image in _one_by_one(images)])

    def encode_mode(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] to the posterior's mode, unscaled, float32 (N, 4, H/8, W/8)."""
        return torch.cat([self._posterior(image).mode().float() for image in _one_by_one(images)])

    def _sample(self, posterior: DiagonalGaussianDistribution, noise: Noise) -> Tensor:
        mean, std = posterior.mean.float(), posterior.std.float()
        return (mean + std * noise(tuple(mean.shape)).to(mean)) * self.scaling_factor

    def _posterior(self, image: Tensor) -> DiagonalGaussianDistribution:
        ready = image.to(self._device, self.dtype)
        height, width = (side // self._factor for side in ready.shape[2:])
        encoded = self._fitting(lambda: self.module.encode(ready), height, width)
        posterior: DiagonalGaussianDistribution = encoded.latent_dist
        return posterior


def _give_back(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _one_by_one(images: Tensor) -> list[Tensor]:
    return [image.unsqueeze(0) for image in images]


def _wider(dtype: torch.dtype, nans: NanPolicy) -> torch.dtype | None:
    if nans.to_bfloat16 and dtype == torch.float16:
        return torch.bfloat16
    if nans.to_float32 and dtype in (torch.float16, torch.bfloat16):
        return torch.float32
    return None
