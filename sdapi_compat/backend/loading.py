"""From a registry entry to a model ready to run; every failure becomes one clear Fault.

Weights are made outside inference mode even when the caller is inside: they must stay changeable.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from sdapi_compat.backend.diffusers_folder import load_folder
from sdapi_compat.backend.families import UnsupportedModel
from sdapi_compat.backend.headers import BadWeightFile
from sdapi_compat.backend.latent_codec import LatentCodec
from sdapi_compat.backend.model import DiffusionModel
from sdapi_compat.backend.policy import DevicePolicy
from sdapi_compat.backend.registry import CheckpointInfo
from sdapi_compat.backend.registry_vae import VaeFile
from sdapi_compat.backend.single_file import load_single_file, load_vae_file
from sdapi_compat.backend.token_merging import fit_blocks
from sdapi_compat.backend.unet import fit_upsamplers
from sdapi_compat.errors import Fault


@torch.inference_mode(False)
def load_checkpoint(info: CheckpointInfo, vae: VaeFile | None, policy: DevicePolicy) -> DiffusionModel:
    """The model of a checkpoint, with a separate VAE or its own, placed as the policy says.

    Raises Fault("RuntimeError") naming the file and the reason when it cannot be loaded.
    """
    with _explained(info.path):
        if info.is_folder:
            parts = load_folder(info.path, policy)
        else:
            parts = load_single_file(info.path, info.config, policy)
        fit_upsamplers(parts.unet)
        fit_blocks(parts.unet)
        policy.prepare_unet(parts.unet)
        if parts.codec is not None:
            policy.prepare_vae(parts.codec.module)
    codec = None if vae is None else load_vae(vae, parts.vae_config, policy)
    return DiffusionModel(info, parts, policy, vae, codec)


@torch.inference_mode(False)
def load_vae(vae: VaeFile, config: dict[str, Any], policy: DevicePolicy) -> LatentCodec:
    """A separate VAE with the dimensions of `ModelParts.vae_config`. Raises Fault("RuntimeError")."""
    with _explained(vae.path):
        codec = load_vae_file(vae.path, config, policy)
        policy.prepare_vae(codec.module)
        return codec


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what loaders raise on bad files into a Fault that names the file."""
    try:
        yield
    except (BadWeightFile, UnsupportedModel, SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise Fault("RuntimeError", f"Cannot load {path.name}: {error}") from error
