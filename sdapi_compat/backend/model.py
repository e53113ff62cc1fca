"""One loaded checkpoint: prompts to conditioning, noisy latents to denoised ones, latents to pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from sdapi_compat.backend.latent_codec import LatentCodec, NanPolicy, Noise
from sdapi_compat.backend.ldm_config import Prediction
from sdapi_compat.backend.packed_convolution import PackedConv2d
from sdapi_compat.backend.parts import ModelParts
from sdapi_compat.backend.policy import DevicePolicy
from sdapi_compat.backend.registry import CheckpointInfo
from sdapi_compat.backend.registry_vae import VaeFile
from sdapi_compat.backend.residency import Residency
from sdapi_compat.backend.text import EncoderChunk, TextEncoder
from sdapi_compat.backend.token_merging import ARGUMENT, Merging
from sdapi_compat.backend.tokenizer import ClipVocabulary
from sdapi_compat.errors import Fault
from sdapi_compat.sampling.noise_schedule import NoiseSchedule


class DiffusionModel:
    """A UNet with its text encoder and VAE. Not thread-safe: the device thread owns it."""

    def __init__(
        self,
        info: CheckpointInfo,
        parts: ModelParts,
        policy: DevicePolicy,
        vae: VaeFile | None = None,
        codec: LatentCodec | None = None,
    ) -> None:
        """`vae` and `codec`: a separate VAE, else the one of `parts` is used. See `use_codec`."""
        self.info = info
        self.noise_schedule: NoiseSchedule = parts.noise_schedule
        self.prediction: Prediction = parts.prediction
        self.conditioning = parts.conditioning.value
        self.unet = parts.unet
        self.text: TextEncoder = parts.text
        self.vae_config = parts.vae_config
        self._policy = policy
        self._baked = parts.codec
        self._tiling = False
        self._merged_share = 0.0
        self._residency = Residency(policy)
        self.vae: VaeFile | None = vae
        self.codec = self._chosen(codec)
        for module in self._in_use():
            self._residency.admit(module)

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

    def use_codec(self, vae: VaeFile | None, codec: LatentCodec | None) -> None:
        """Switch to a separate VAE, or with None back to the checkpoint's own.

        Raises Fault("RuntimeError") when the checkpoint has none; the model then stays as it was.
        """
        chosen = self._chosen(codec)
        if chosen is not self.codec:
            self._residency.release(self.codec.module)
            self._residency.admit(chosen.module)
            _pad(chosen.module, circular=self._tiling)
        self.codec, self.vae = chosen, vae

    def _chosen(self, separate: LatentCodec | None) -> LatentCodec:
        chosen = self._baked if separate is None else separate
        if chosen is None:
            raise Fault("RuntimeError", f"{self.info.name} holds no VAE; choose one with the option sd_vae")
        return chosen

    @torch.no_grad()
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
        self._residency.fetch(self.text.module)
        return self.text.encode(batch, clip_skip, emphasis, vectors)

    @torch.no_grad()
    def predict(self, x: Tensor, timestep: Tensor, context: Tensor) -> Tensor:
        """The UNet's own output, float32 (N, 4, h, w).

        `x`: (N, C, h, w) with the extra channels of inpainting and edit models already appended; `timestep`:
        (N,), fractions allowed; `context`: (N, L, d).
        """
        self._residency.fetch(self.unet)
        dtype, share = self._policy.dtype, self._merged_share
        merging = {ARGUMENT: Merging(share, x.shape[2], x.shape[3])} if share > 0 else None
        output = self.unet(
            x.to(self.device, dtype),
            timestep.to(self.device, torch.float32),
            encoder_hidden_states=context.to(self.device, dtype),
            cross_attention_kwargs=merging,
        )
        sample: Tensor = output.sample
        return sample.float()

    @torch.no_grad()
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

    @torch.no_grad()
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

    @torch.no_grad()
    def decode(self, latents: Tensor, nans: NanPolicy | None = None) -> Tensor:
        """Latents (N, 4, h, w) to float32 (N, 3, 8 h, 8 w), about [-1, 1]. See `LatentCodec.decode`."""
        return self._ready_codec().decode(latents, nans)

    @torch.no_grad()
    def encode(self, images: Tensor, noise: Noise) -> Tensor:
        """(N, 3, H, W) in [-1, 1] to scaled latents mean + std * noise(shape). See `LatentCodec.encode`."""
        return self._ready_codec().encode(images, noise)

    @torch.no_grad()
    def encode_mode(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] to unscaled posterior modes, for edit models."""
        return self._ready_codec().encode_mode(images)

    def _ready_codec(self) -> LatentCodec:
        self._residency.fetch(self.codec.module)
        return self.codec

    def set_tiling(self, on: bool) -> None:
        """Wrap every convolution of UNet and VAE around the edges, or pad with zeros again.

        A1111 1.10.1 behaviour: exactly the plain 2-D convolutions, those of the VAE's encoder included.
        """
        if on != self._tiling:
            _pad(self.unet, circular=on)
            _pad(self.codec.module, circular=on)
            self._tiling = on

    def set_token_merging(self, share: float) -> None:
        """Merge this share of the tokens in the UNet's self-attention from now on; 0: none."""
        self._merged_share = share

    @property
    def size_in_bytes(self) -> int:
        """Bytes of all weights, the unused VAE of the checkpoint included."""
        modules = self._in_use()
        if self._baked is not None and self._baked is not self.codec:
            modules.append(self._baked.module)
        tensors = [tensor for module in modules for tensor in (*module.parameters(), *module.buffers())]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def leave(self) -> None:
        """Make room on the device: all weights to the CPU."""
        for module in self._in_use():
            self._residency.release(module)

    def come_back(self) -> None:
        """Take the place on the device again."""
        for module in self._in_use():
            self._residency.admit(module)

    def _in_use(self) -> list[nn.Module]:
        return [self.text.module, self.unet, self.codec.module]


def _pad(part: nn.Module, *, circular: bool) -> None:
    for module in part.modules():
        if type(module) is nn.Conv2d or type(module) is PackedConv2d:
            module.padding_mode = "circular" if circular else "zeros"


def _per_row(values: Tensor, like: Tensor) -> Tensor:
    return values.view(-1, *[1] * (like.ndim - 1))


def _joined(x: Tensor, extra: Tensor | None) -> Tensor:
    return x if extra is None else torch.cat([x, extra.to(x)], dim=1)
