"""Which device computes, in which precision, and what stays in its memory."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Literal

import msgspec
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import nn

from sdapi_compat.backend.packed_convolution import pack_convolutions

log = logging.getLogger(__name__)
Offload = Literal["none", "model", "sequential"]
_CPU_WORDS = frozenset({"sd", "all"})


class DeviceFlags(msgspec.Struct, frozen=True, kw_only=True):
    """The command-line flags that decide. The names are A1111's."""

    no_half: bool = False
    no_half_vae: bool = False
    precision: Literal["autocast", "full", "half"] = "autocast"
    use_cpu: tuple[str, ...] = ()
    device_id: str | None = None
    medvram: bool = False
    lowvram: bool = False
    xformers: bool = False
    opt_channelslast: bool = False
    tiled_vae_above: int = 0


class DevicePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided."""

    device: torch.device
    dtype: torch.dtype
    """Of the UNet and the text encoder."""
    vae_dtype: torch.dtype
    offload: Offload = "none"
    xformers: bool = False
    channels_last: bool = False
    tiled_vae_above: int = 0
    """Side in pixels of the largest square that goes through the VAE whole; 0: whatever fits."""

    @classmethod
    def choose(cls, flags: DeviceFlags) -> DevicePolicy:
        """CUDA, else MPS, else the CPU; half precision on CUDA and MPS unless the flags forbid it."""
        device = _device(flags)
        offload = _offload(flags, device)
        full = flags.no_half or flags.precision == "full" or device.type == "cpu"
        dtype = torch.float32 if full else torch.float16
        # A VAE behind layer hooks cannot change its precision after NaNs, so it starts in the safe one.
        safe_vae = flags.no_half_vae or offload == "sequential"
        return cls(
            device=device,
            dtype=dtype,
            vae_dtype=torch.float32 if safe_vae else dtype,
            offload=offload,
            xformers=flags.xformers and _has_xformers(device),
            channels_last=flags.opt_channelslast,
            tiled_vae_above=flags.tiled_vae_above,
        )

    def prepare_unet(self, unet: UNet2DConditionModel) -> None:
        """Apply the attention and memory-layout choices to a freshly loaded UNet."""
        if self.xformers:
            unet.enable_xformers_memory_efficient_attention()
        if self.channels_last:
            module: nn.Module = unet
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._pack(unet)

    def prepare_vae(self, vae: AutoencoderKL) -> None:
        """The same for a VAE, whose encoder stays as it is, and contiguous.

        On flat pictures, such as the grey one an inpainting model is conditioned on, its group norms turn
        rounding into a visible difference.
        """
        self._pack(vae.decoder)

    def _pack(self, model: nn.Module) -> None:
        if self.device.type == "cpu":
            pack_convolutions(model)


def _device(flags: DeviceFlags) -> torch.device:
    if _CPU_WORDS.intersection(flags.use_cpu):
        return torch.device("cpu")
    if torch.cuda.is_available():
        return torch.device("cuda" if flags.device_id is None else f"cuda:{flags.device_id}")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def _has_xformers(device: torch.device) -> bool:
    """Whether xformers can be used. A1111 1.10.1 behaviour: without it, a warning and the usual attention."""
    missing = None
    if device.type != "cuda":
        missing = f"it needs an NVIDIA GPU, and this server computes on {device.type}"
    else:
        try:
            import_module("xformers.ops")
        except ImportError as error:
            missing = str(error)
    if missing is not None:
        log.warning("--xformers has no effect: %s. PyTorch's own attention is used", missing)
    return missing is None


def _offload(flags: DeviceFlags, device: torch.device) -> Offload:
    if device.type == "cpu":
        return "none"
    if flags.lowvram:
        return "sequential"
    return "model" if flags.medvram else "none"
