"""Checkpoints and VAEs in the original single-file (LDM) layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
from torch import Tensor

from sdapi_compat.backend.assembly import build_text_model, build_unet, build_vae
from sdapi_compat.backend.families import UNET_PREFIX, detect
from sdapi_compat.backend.headers import BadWeightFile, read_metadata
from sdapi_compat.backend.latent_codec import LatentCodec
from sdapi_compat.backend.ldm_config import LdmConfig, read_ldm_yaml
from sdapi_compat.backend.parts import ModelParts
from sdapi_compat.backend.policy import DevicePolicy
from sdapi_compat.backend.text import TextEncoder
from sdapi_compat.backend.tokenizer import ClipVocabulary, holds_tokenizer
from sdapi_compat.backend.weights import Tensors, read_tensors
from sdapi_compat.sampling.noise_schedule import NoiseSchedule, scaled_linear_alphas_cumprod

_Converter = Callable[[Mapping[str, Tensor], dict[str, Any]], Tensors]
_convert_unet: _Converter = convert_ldm_unet_checkpoint
_convert_vae: _Converter = convert_ldm_vae_checkpoint

_VAE_PREFIX = "first_stage_model."
_TEXT_PREFIX = "cond_stage_model.transformer."
TEXT_CONFIG_KEY = "text_encoder/config.json"
TOKENIZER_KEY = "tokenizer/tokenizer.json"
_IGNORED_IN_VAE = ("loss", "model_ema.")


def load_single_file(path: Path, config_path: Path | None, policy: DevicePolicy) -> ModelParts:
    """The parts of an SD 1.x checkpoint, on the CPU in the policy's precision.

    `config_path`: a .yaml of the original kind, else SD 1.x dimensions are assumed. A text encoder of another
    size or vocabulary is described in the folder that the yaml names, else in the file's own metadata. A
    checkpoint without a VAE gives parts without a codec. A1111 1.10.1 behaviour: an "alphas_cumprod" tensor
    in the file replaces the formula. Raises BadWeightFile, UnsupportedModel, ValueError, OSError.
    """
    tensors = read_tensors(path)
    conditioning = detect({name: tuple(tensor.shape) for name, tensor in tensors.items()})
    config = LdmConfig() if config_path is None else read_ldm_yaml(config_path)
    attached = {} if config.text_folder is not None else read_metadata(path)
    channels = tensors[UNET_PREFIX + "input_blocks.0.0.weight"].shape[1]
    unet_config = msgspec.structs.replace(config.unet, in_channels=channels).diffusers_config()
    unet = _with_prefix(tensors, UNET_PREFIX, keep=True)
    vae_config = config.vae.diffusers_config(config.scale_factor)
    inner = _with_prefix(tensors, _VAE_PREFIX)
    return ModelParts(
        unet=build_unet(unet_config, _convert_unet(unet, unet_config), policy.dtype),
        text=_text_encoder(config, attached, _with_prefix(tensors, _TEXT_PREFIX), policy),
        codec=_codec(vae_config, inner, policy) if inner else None,
        vae_config=vae_config,
        noise_schedule=_noise_schedule(config, tensors),
        prediction=config.prediction,
        conditioning=conditioning,
    )


def load_vae_file(path: Path, config: dict[str, Any], policy: DevicePolicy) -> LatentCodec:
    """A separate VAE file with the dimensions and the scaling factor of `config` (`ModelParts.vae_config`).

    Raises BadWeightFile, OSError.
    """
    loaded = read_tensors(path)
    tensors = {name: tensor for name, tensor in loaded.items() if not name.startswith(_IGNORED_IN_VAE)}
    return _codec(config, _with_prefix(tensors, _VAE_PREFIX) or tensors, policy)


def _text_encoder(
    config: LdmConfig, attached: Mapping[str, Any], tensors: Tensors, policy: DevicePolicy
) -> TextEncoder:
    """`attached`: the metadata of the file, with the files of a diffusers folder by their places in it."""
    text_config = _attached(attached, TEXT_CONFIG_KEY) or config.text_config
    module = build_text_model(text_config, tensors, policy.dtype)
    return TextEncoder(module, _vocabulary(config.text_folder, attached), policy.device)


def _vocabulary(folder: Path | None, attached: Mapping[str, Any]) -> ClipVocabulary:
    if folder is not None and holds_tokenizer(folder):
        return ClipVocabulary.from_folder(folder)
    content = _attached(attached, TOKENIZER_KEY)
    return ClipVocabulary.built_in() if content is None else ClipVocabulary.from_json(content)


def _attached(metadata: Mapping[str, Any], key: str) -> dict[str, Any] | None:
    content = metadata.get(key)
    if content is not None and not isinstance(content, dict):
        raise BadWeightFile(f"{key} in its metadata is no JSON object")
    return content


def _codec(config: dict[str, Any], tensors: Tensors, policy: DevicePolicy) -> LatentCodec:
    vae = build_vae(config, _convert_vae(tensors, config), policy.vae_dtype)
    return LatentCodec(vae, config["scaling_factor"], policy.device, policy.tiled_vae_above)


def _noise_schedule(config: LdmConfig, tensors: Tensors) -> NoiseSchedule:
    stored = tensors.get("alphas_cumprod")
    if stored is None:
        abar = scaled_linear_alphas_cumprod(config.linear_start, config.linear_end, config.timesteps)
        return NoiseSchedule(abar)
    if stored.shape != (config.timesteps,):
        raise BadWeightFile(f"alphas_cumprod has the shape {list(stored.shape)}, not [{config.timesteps}]")
    return NoiseSchedule(stored)


def _with_prefix(tensors: Tensors, prefix: str, *, keep: bool = False) -> Tensors:
    return {
        name if keep else name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
