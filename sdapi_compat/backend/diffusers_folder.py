"""Checkpoints in the diffusers folder layout: one subfolder per part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import msgspec
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor
from transformers.models.clip.configuration_clip import CLIPTextConfig

from sdapi_compat.backend.assembly import build_text_model
from sdapi_compat.backend.families import UnsupportedModel, conditioning_of
from sdapi_compat.backend.hashes import weight_files
from sdapi_compat.backend.headers import BadWeightFile, read_header
from sdapi_compat.backend.latent_codec import LatentCodec
from sdapi_compat.backend.ldm_config import Prediction, VaeShape
from sdapi_compat.backend.parts import ModelParts
from sdapi_compat.backend.policy import DevicePolicy
from sdapi_compat.backend.registry_files import DIFFUSERS_INDEX
from sdapi_compat.backend.sniff import FileKind, sniff
from sdapi_compat.backend.text import TextEncoder
from sdapi_compat.backend.tokenizer import ClipVocabulary, holds_tokenizer
from sdapi_compat.backend.weights import read_tensors
from sdapi_compat.sampling.noise_schedule import (
    NoiseSchedule,
    scaled_linear_alphas_cumprod,
    zero_terminal_snr,
)

_CLASSES = {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL", "text_encoder": "CLIPTextModel"}
_UNSUPPORTED_PARTS = ("text_encoder_2", "transformer", "image_encoder", "depth_estimator")
_OPEN_CLIP_H = ("gelu", 1024)
_PREDICTIONS: dict[str, Prediction] = {"epsilon": "eps", "v_prediction": "v"}


class SchedulerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of scheduler_config.json that describe the model rather than a sampler."""

    prediction_type: str = "epsilon"
    beta_start: float = 0.00085
    beta_end: float = 0.012
    beta_schedule: Literal["scaled_linear", "linear"] = "scaled_linear"
    num_train_timesteps: int = 1000
    trained_betas: list[float] | None = None
    rescale_betas_zero_snr: bool = False

    def noise_schedule(self) -> NoiseSchedule:
        """The schedule the model was trained with."""
        abar = self._alphas_cumprod()
        return NoiseSchedule(zero_terminal_snr(abar) if self.rescale_betas_zero_snr else abar)

    def _alphas_cumprod(self) -> Tensor:
        if self.trained_betas is not None:
            betas = torch.tensor(self.trained_betas, dtype=torch.float64)
        elif self.beta_schedule == "linear":
            betas = torch.linspace(
                self.beta_start, self.beta_end, self.num_train_timesteps, dtype=torch.float64
            )
        else:
            return scaled_linear_alphas_cumprod(self.beta_start, self.beta_end, self.num_train_timesteps)
        return torch.cumprod(1 - betas, dim=0).float()


def load_folder(folder: Path, policy: DevicePolicy) -> ModelParts:
    """The parts of an SD 1.x or 2.x checkpoint, on the CPU in the policy's precision. Nothing is downloaded.

    Raises BadWeightFile, UnsupportedModel, ValueError, OSError.
    """
    _check_index(folder)
    scheduler = _scheduler(folder)
    prediction = _PREDICTIONS.get(scheduler.prediction_type)
    if prediction is None:
        raise UnsupportedModel(f"prediction type {scheduler.prediction_type!r} is not supported")
    unet = _load_part(UNet2DConditionModel, folder, "unet", policy.dtype)
    vae = _load_part(AutoencoderKL, folder, "vae", policy.vae_dtype)
    return ModelParts(
        unet=unet,
        text=_text_encoder(folder, policy),
        codec=LatentCodec(vae, float(vae.config["scaling_factor"]), policy.device, policy.tiled_vae_above),
        vae_config={key: vae.config[key] for key in VaeShape().diffusers_config(1.0)},
        noise_schedule=scheduler.noise_schedule(),
        prediction=prediction,
        conditioning=conditioning_of(unet.config["in_channels"]),
    )


def _check_index(folder: Path) -> None:
    index = json.loads((folder / DIFFUSERS_INDEX).read_text(encoding="utf-8"))
    if not isinstance(index, dict):
        raise ValueError(f"{DIFFUSERS_INDEX}: Expected a JSON object")
    for part in _UNSUPPORTED_PARTS:
        if _class_name(index.get(part)) is not None:
            raise UnsupportedModel(f"{index.get('_class_name')} with a {part} is not supported")
    for part, wanted in _CLASSES.items():
        found = _class_name(index.get(part))
        if found != wanted:
            raise UnsupportedModel(f"its {part} is {found or 'missing'}, not {wanted}")


def _class_name(entry: object) -> str | None:
    """The class in an entry [library, class]; absent parts are null or [null, null]."""
    return entry[1] if isinstance(entry, list) and len(entry) == 2 and isinstance(entry[1], str) else None


def _scheduler(folder: Path) -> SchedulerConfig:
    path = folder / "scheduler" / "scheduler_config.json"
    return msgspec.json.decode(path.read_bytes(), type=SchedulerConfig)


def _text_encoder(folder: Path, policy: DevicePolicy) -> TextEncoder:
    config = json.loads((folder / "text_encoder" / "config.json").read_text(encoding="utf-8"))
    files = weight_files(folder / "text_encoder")
    _check_files(folder, files)
    tensors = {name: value for path in _preferred(files) for name, value in read_tensors(path).items()}
    module = build_text_model(config, tensors, policy.dtype)
    tokenizer = folder / "tokenizer"
    vocabulary = (
        ClipVocabulary.from_folder(tokenizer) if holds_tokenizer(tokenizer) else ClipVocabulary.built_in()
    )
    cut = _is_open_clip(module.config)
    return TextEncoder(module, vocabulary, policy.device, clip_skip_applies=not cut)


def _preferred(files: list[Path]) -> list[Path]:
    """The one copy (in one or several shards) to read where a part was saved in several forms."""
    safe = [path for path in files if path.suffix == ".safetensors"] or files
    return [path for path in safe if ".fp16." not in path.name] or safe


def _is_open_clip(config: CLIPTextConfig) -> bool:
    """Whether this is SD 2.x's encoder, which is saved without the layers after the penultimate one."""
    return (config.hidden_act, config.hidden_size) == _OPEN_CLIP_H


def _load_part(kind: Any, folder: Path, part: str, dtype: torch.dtype) -> Any:
    """One part, complete. Raises BadWeightFile for damaged files and missing tensors."""
    files = weight_files(folder / part)
    _check_files(folder, files)
    module, info = kind.from_pretrained(
        str(folder / part),
        local_files_only=True,
        torch_dtype=dtype,
        variant=_variant(files),
        output_loading_info=True,
    )
    missing = sorted(info["missing_keys"])
    if missing:
        raise BadWeightFile(f"the {part} lacks {len(missing)} tensors, such as {', '.join(missing[:4])}")
    return module.requires_grad_(False).eval()


def _check_files(folder: Path, files: list[Path]) -> None:
    for path in files:
        kind = sniff(path)
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".safetensors" and kind is not FileKind.SAFETENSORS:
            raise BadWeightFile(f"{name} is no safetensors file")
        if kind is FileKind.SAFETENSORS:
            read_header(path)


def _variant(files: list[Path]) -> str | None:
    """ "fp16" when only half-precision files were saved."""
    return "fp16" if files and all(".fp16." in path.name for path in files) else None
