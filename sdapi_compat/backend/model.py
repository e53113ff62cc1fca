"""One loaded checkpoint: prompts to conditioning, noisy latents to denoised ones, latents to pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from sdapi_compat.backend.latent_codec import LatentCodec, NanPolicy, Noise
from sdapi_compat.backend.ldm_config import Prediction
from sdapi_compat.backend.parts import ModelParts
from sdapi_compat.backend.policy import DevicePolicy
from sdapi_compat.backend.registry import CheckpointInfo
from sdapi_compat.backend.registry_vae import VaeFile
from sdapi_compat.backend.text import EncoderChunk, TextEncoder
from sdapi_compat.backend.tokenizer import ClipVocabulary
from sdapi_compat.errors import Fault
from sdapi_compat.sampling.noise_schedule import NoiseSchedule


class DiffusionModel:
    """A UNet with its text encoder and VAE. Not thread-safe: the device thread owns it."""

    def __init__(self, info: CheckpointInfo, parts: ModelParts, policy: DevicePolicy) -> None:
        self.info = info
        self.noise_schedule: NoiseSchedule = parts.noise_schedule
        self.prediction: Prediction = parts.prediction
        self.conditioning = parts.conditioning.value
        self.unet = parts.unet
        self.text: TextEncoder = parts.text
        self.vae: VaeFile | None = None
        self.vae_config = parts.vae_config
        self._policy = policy
        self._baked = parts.codec
        self._codec = parts.codec
        self._placed = False

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return self._policy.device

    @property
    def vocabulary(self) -> ClipVocabulary:
        """Implements `prompt.chunks.Vocabulary`."""
        return self.text.vocabulary

    @property
    def vae_name(self) -> str | None:
        """File name of the separate VAE in use; None for the checkpoint's own."""
        return None if self.vae is None else self.vae.name

    @property
    def latent_channels(self) -> int:
        """Channels of a latent."""
        return int(self.unet.config["out_channels"])

    @property
    def codec(self) -> LatentCodec:
        """The VAE in use."""
        if self._codec is None:
            raise Fault("RuntimeError", f"{self.info.name} holds no VAE; choose one with the option sd_vae")
        return self._codec

    def use_codec(self, vae: VaeFile | None, codec: LatentCodec | None) -> None:
        """Switch to a separate VAE, or with None back to the checkpoint's own, and place the model."""
        self.vae = vae
        self._codec = self._baked if codec is None else codec
        self._policy.place([self.text.module, self.unet, self.codec.module])

    @torch.inference_mode()
    def encode_chunks(
        self,
        batch: Sequence[Sequence[EncoderChunk]],
        clip_skip: int = 1,
        emphasis: str = "Original",
        vectors: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """n prompts of k chunks each to float32 (n, 77 k, d). See `TextEncoder.encode`.

        `vectors`: (tokens, d) for every embedding name in the chunks.
        """
        return self.text.encode(batch, clip_skip, emphasis, vectors)

    @torch.inference_mode()
    def predict(self, x: Tensor, timestep: Tensor, context: Tensor) -> Tensor:
        """The UNet's own output, float32 (N, 4, h, w).

        `x`: (N, C, h, w) with the extra channels of inpainting and edit models already appended; `timestep`:
        (N,), fractions allowed; `context`: (N, L, d).
        """
        dtype = self._policy.dtype
        output = self.unet(
            x.to(self.device, dtype),
            timestep.to(self.device, torch.float32),
            encoder_hidden_states=context.to(self.device, dtype),
        )
        sample: Tensor = output.sample
        return sample.float()

    @torch.inference_mode()
    def denoise(
        self,
        x: Tensor,
        sigma: Tensor,
        context: Tensor,
        extra: Tensor | None = None,
        timestep: Tensor | None = None,
    ) -> Tensor:
        """D(x, sigma): the denoised latents, float32 (N, 4, h, w) (Karras et al. 2022, section 5).

        `x`: float32 (N, 4, h, w) with noise of standard deviation `sigma` (N,); `extra`: (N, c, h, w),
        appended unscaled. `timestep` (N,) replaces t(sigma) of the model's own schedule.
        """
        x, sigma = x.to(self.device, torch.float32), sigma.to(self.device, torch.float32)
        if timestep is None:
            timestep = torch.tensor([self.noise_schedule.sigma_to_t(level) for level in sigma.tolist()])
        level = _per_row(sigma, x)
        scale = 1 / (level**2 + 1).sqrt()
        output = self.predict(_joined(x * scale, extra), timestep, context)
        if self.prediction == "v":
            return x * scale**2 - output * level * scale
        return x - output * level

    @torch.inference_mode()
    def predict_noise(
        self,
        x: Tensor,
        timestep: Tensor,
        context: Tensor,
        extra: Tensor | None = None,
        schedule: NoiseSchedule | None = None,
    ) -> Tensor:
        """eps(x, t) for x = sqrt(abar) x0 + sqrt(1 - abar) eps, float32 (N, 4, h, w).

        `timestep`: (N,). A v-prediction is converted with the abar of `schedule` (default: the model's own)
        at the whole part of the timestep.
        """
        x, timestep = x.to(self.device, torch.float32), timestep.to(self.device, torch.float32)
        output = self.predict(_joined(x, extra), timestep, context)
        if self.prediction == "eps":
            return output
        table = (schedule or self.noise_schedule).alphas_cumprod
        alpha = _per_row(table[timestep.long().cpu()].to(x), x)
        return alpha.sqrt() * output + (1 - alpha).sqrt() * x

    @torch.inference_mode()
    def decode(self, latents: Tensor, nans: NanPolicy | None = None) -> Tensor:
        """Latents (N, 4, h, w) to float32 (N, 3, 8 h, 8 w), about [-1, 1]. See `LatentCodec.decode`."""
        return self.codec.decode(latents, nans)

    @torch.inference_mode()
    def encode(self, images: Tensor, noise: Noise) -> Tensor:
        """(N, 3, H, W) in [-1, 1] to scaled latents mean + std * noise(shape). See `LatentCodec.encode`."""
        return self.codec.encode(images, noise)

    @torch.inference_mode()
    def encode_mode(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] to unscaled posterior modes, for edit models."""
        return self.codec.encode_mode(images)

    def set_tiling(self, on: bool) -> None:
        """Wrap every convolution of UNet and VAE around the edges, or pad with zeros again.

        A1111 1.10.1 behaviour: exactly the plain 2-D convolutions, those of the VAE's encoder included.
        """
        for part in (self.unet, self.codec.module):
            for module in part.modules():
                if type(module) is nn.Conv2d:
                    module.padding_mode = "circular" if on else "zeros"

    @property
    def size_in_bytes(self) -> int:
        """Bytes of all weights, the unused VAE of the checkpoint included."""
        modules: list[nn.Module] = [self.unet, self.text.module]
        modules += [codec.module for codec in {self._codec, self._baked} if codec is not None]
        tensors = [tensor for module in modules for tensor in (*module.parameters(), *module.buffers())]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def to(self, device: torch.device) -> None:
        """Move the weights, to make room or to come back; weights behind offload hooks stay."""
        if self._policy.offload == "none":
            modules: list[nn.Module] = [self.unet, self.text.module, self.codec.module]
            for module in modules:
                module.to(device)


def _per_row(values: Tensor, like: Tensor) -> Tensor:
    return values.view(-1, *[1] * (like.ndim - 1))


def _joined(x: Tensor, extra: Tensor | None) -> Tensor:
    return x if extra is None else torch.cat([x, extra.to(x)], dim=1)
