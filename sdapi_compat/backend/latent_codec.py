"""Between pixels and latents: the VAE, one image at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch import Tensor, nn

from sdapi_compat.errors import Fault

Noise = Callable[[tuple[int, ...]], Tensor]

_log = logging.getLogger(__name__)


class NanPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What to do when a half-precision VAE overflows."""

    check: bool = True
    """False: --disable-nan-check."""
    to_float32: bool = True
    """Option auto_vae_precision."""
    to_bfloat16: bool = False
    """Option auto_vae_precision_bfloat16; comes before `to_float32`."""


class LatentCodec:
    """A VAE with the factor between its latents and the UNet's."""

    def __init__(self, vae: AutoencoderKL, scaling_factor: float, device: torch.device) -> None:
        """`device`: where the VAE computes, wherever its weights wait."""
        self.module = vae
        self._device = device
        self.scaling_factor = scaling_factor

    @property
    def dtype(self) -> torch.dtype:
        """The dtype the VAE computes in."""
        return next(self.module.parameters()).dtype

    def decode(self, latents: Tensor, nans: NanPolicy | None = None) -> Tensor:
        """(N, 4, h, w) to float32 (N, 3, 8 h, 8 w), about [-1, 1], not clamped.

        A1111 1.10.1 behaviour: a picture with NaNs is decoded once more in a wider dtype, which then stays.
        Raises Fault("NansException") when it still has them.
        """
        return torch.cat([self._decode_one(latent.unsqueeze(0), nans or NanPolicy()) for latent in latents])

    def _decode_one(self, latent: Tensor, nans: NanPolicy) -> Tensor:
        image = self._forward(latent)
        wider = _wider(self.dtype, nans)
        if nans.check and wider is not None and bool(image.isnan().any()):
            _log.warning("the VAE produced NaNs in %s, switching it to %s", self.dtype, wider)
            self._convert(wider)
            image = self._forward(latent)
        if nans.check and bool(image.isnan().any()):
            hint = "" if self.dtype == torch.float32 else "; --no-half-vae keeps it in float32"
            raise Fault("NansException", f"The VAE produced NaNs in {self.dtype}{hint}")
        return image

    @torch.inference_mode(False)
    def _convert(self, dtype: torch.dtype) -> None:
        module: nn.Module = self.module
        module.to(dtype=dtype)

    def _forward(self, latent: Tensor) -> Tensor:
        scaled = (latent.float() / self.scaling_factor).to(self._device, self.dtype)
        image: Tensor = self.module.decode(scaled).sample
        return image.float()

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
        encoded = self.module.encode(image.to(self._device, self.dtype))
        posterior: DiagonalGaussianDistribution = encoded.latent_dist
        return posterior


def _one_by_one(images: Tensor) -> list[Tensor]:
    return [image.unsqueeze(0) for image in images]


def _wider(dtype: torch.dtype, nans: NanPolicy) -> torch.dtype | None:
    if nans.to_bfloat16 and dtype == torch.float16:
        return torch.bfloat16
    if nans.to_float32 and dtype in (torch.float16, torch.bfloat16):
        return torch.float32
    return None
