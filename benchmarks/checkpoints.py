"""The checkpoints that generation.py compares with: the one that comes along, and one of full size."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from sdapi_compat.embedded import CHECKPOINT_DIR

UNET = {"sample_size": 64, "cross_attention_dim": 768, "block_out_channels": (320, 640, 1280, 1280)}
VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "sample_size": 512,
}
TEXT = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "bos_token_id": 2012,
    "eos_token_id": 2013,
    "pad_token_id": 2013,
}
INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "EulerDiscreteScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}
SCHEDULER = {
    "_class_name": "EulerDiscreteScheduler",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "steps_offset": 1,
    "timestep_spacing": "leading",
}


def tiny() -> Path:
    """The folder of the checkpoint that comes along."""
    return CHECKPOINT_DIR


def full_size(folder: Path) -> Path:
    """A folder with a checkpoint of Stable Diffusion 1.5's dimensions and random weights, 4.3 GB."""
    import torch
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from transformers.models.clip.configuration_clip import CLIPTextConfig
    from transformers.models.clip.modeling_clip import CLIPTextModel

    torch.manual_seed(0)
    parts: dict[str, Any] = {"unet": UNet2DConditionModel, "vae": AutoencoderKL}
    for name, sizes in (("unet", UNET), ("vae", VAE)):
        parts[name](**sizes).save_pretrained(folder / name)
    CLIPTextModel(CLIPTextConfig.from_dict(TEXT)).save_pretrained(folder / "text_encoder")
    shutil.copytree(CHECKPOINT_DIR / "tokenizer", folder / "tokenizer")
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(SCHEDULER))
    (folder / "model_index.json").write_text(json.dumps(INDEX))
    return folder
