"""Modules filled from tensors, with every tensor accounted for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel

from sdapi_compat.backend.headers import BadWeightFile

M = TypeVar("M", bound=nn.Module)

_NAMED_IN_ERRORS = 4
_TINY_WIDTH, _TINY_LEVELS = 64, 4
_OLD_TEXT_PREFIX = "text_model."


def build_unet(
    config: dict[str, Any], tensors: Mapping[str, Tensor], dtype: torch.dtype
) -> UNet2DConditionModel:
    """A UNet with diffusers' tensor names. Raises BadWeightFile."""

    def make() -> UNet2DConditionModel:
        return UNet2DConditionModel(**config)  # type: ignore[no-any-return]

    return _build("UNet", make, tensors, dtype)


def build_vae(config: dict[str, Any], tensors: Mapping[str, Tensor], dtype: torch.dtype) -> AutoencoderKL:
    """A VAE with diffusers' tensor names. Raises BadWeightFile."""

    def make() -> AutoencoderKL:
        return AutoencoderKL(**config)  # type: ignore[no-any-return]

    return _build("VAE", make, tensors, dtype)


def build_tiny(part: str, channels: int, tensors: Mapping[str, Tensor], dtype: torch.dtype) -> nn.Module:
    """The "encoder" or "decoder" of a TAESD for latents of so many channels, [-1, 1] on the pixels' side.

    The published ones are 64 channels wide; others are understood, too. Raises BadWeightFile.
    """
    first = tensors.get("layers.0.weight")
    widths = (first.shape[0] if first is not None and first.ndim == 4 else _TINY_WIDTH,) * _TINY_LEVELS

    def make() -> nn.Module:
        whole = AutoencoderTiny(
            latent_channels=channels, encoder_block_out_channels=widths, decoder_block_out_channels=widths
        )
        half: nn.Module = whole.get_submodule(part)
        return half

    return _build(f"TAESD {part}", make, tensors, dtype)


def build_text_model(
    config: dict[str, Any], tensors: Mapping[str, Tensor], dtype: torch.dtype
) -> CLIPTextModel:
    """A CLIP text model; names with and without the "text_model." of older transformers are understood.

    Raises BadWeightFile.
    """
    module = _build(
        "text encoder",
        lambda: CLIPTextModel(CLIPTextConfig.from_dict(config)),
        {name.removeprefix(_OLD_TEXT_PREFIX): tensor for name, tensor in tensors.items()},
        dtype,
    )
    # Positions are no weights: they stayed behind on the meta device.
    positions = torch.arange(module.config.max_position_embeddings).expand((1, -1))
    module.embeddings.register_buffer("position_ids", positions, persistent=False)
    return module


def _build(part: str, make: Callable[[], M], tensors: Mapping[str, Tensor], dtype: torch.dtype) -> M:
    with torch.device("meta"):
        module = make()
    expected = module.state_dict()
    _refuse_missing(part, [name for name in expected if name not in tensors])
    _refuse_misshapen(part, expected, tensors)
    filled = {name: tensors[name].to(dtype) for name in expected}
    module.load_state_dict(filled, strict=True, assign=True)
    return module.requires_grad_(False).eval()


def _refuse_missing(part: str, missing: list[str]) -> None:
    if missing:
        raise BadWeightFile(f"the {part} lacks {len(missing)} tensors, such as {_some(missing)}")


def _refuse_misshapen(part: str, expected: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    wrong = [
        f"{name} {list(tensors[name].shape)} for {list(want.shape)}"
        for name, want in expected.items()
        if tensors[name].shape != want.shape
    ]
    if wrong:
        raise BadWeightFile(f"the {part} has {len(wrong)} tensors of another shape, such as {_some(wrong)}")


def _some(names: list[str]) -> str:
    return ", ".join(names[:_NAMED_IN_ERRORS])
