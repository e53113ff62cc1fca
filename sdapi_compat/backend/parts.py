"""The parts of a loaded checkpoint, before they become one model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

from sdapi_compat.backend.families import Conditioning
from sdapi_compat.backend.latent_codec import LatentCodec
from sdapi_compat.backend.ldm_config import Prediction
from sdapi_compat.backend.text import TextEncoder
from sdapi_compat.sampling.noise_schedule import NoiseSchedule


@dataclass(frozen=True)
class ModelParts:
    """What a checkpoint holds.

    `codec` is None for a checkpoint without a VAE; `vae_config`, the constructor arguments of a fitting
    AutoencoderKL, is there all the same.
    """

    unet: UNet2DConditionModel
    text: TextEncoder
    codec: LatentCodec | None
    vae_config: dict[str, Any]
    noise_schedule: NoiseSchedule
    prediction: Prediction
    conditioning: Conditioning
