"""The model as one file: the same weights, words and pictures as the folder, and any other SD1-like model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from diffusers import AutoencoderKL, DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from safetensors import safe_open

from sdapi_compat.backend.diffusers_folder import load_folder
from sdapi_compat.backend.parts import ModelParts
from sdapi_compat.backend.policy import DeviceFlags, DevicePolicy
from sdapi_compat.backend.single_file import load_single_file
from sdapi_compat.embedded import CHECKPOINT_DIR
from sdapi_compat.embedded.train.single_file import export_single_file

POLICY = DevicePolicy.choose(DeviceFlags(use_cpu=("all",)))
UNET = {
    "block_out_channels": (32, 64, 96),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D", "CrossAttnUpBlock2D"),
    "layers_per_block": 2,
    "attention_head_dim": 2,
    "cross_attention_dim": 24,
    "norm_num_groups": 32,
    "sample_size": 8,
}
VAE = {
    "block_out_channels": (32, 64),
    "down_block_types": ("DownEncoderBlock2D",) * 2,
    "up_block_types": ("UpDecoderBlock2D",) * 2,
    "layers_per_block": 2,
    "latent_channels": 4,
    "norm_num_groups": 32,
    "scaling_factor": 0.5,
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_single_file(CHECKPOINT_DIR, tmp_path_factory.mktemp("single") / "m.safetensors")


def read(path: Path) -> ModelParts:
    return load_single_file(path, path.with_suffix(".yaml"), POLICY)


def assert_equal_weights(ours: Any, theirs: Any) -> None:
    found, wanted = ours.state_dict(), theirs.state_dict()
    assert found.keys() == wanted.keys()
    assert [name for name in wanted if not torch.equal(found[name].float(), wanted[name].float())] == []


def test_the_same_model_as_the_folder(exported: Path) -> None:
    file, folder = read(exported), load_folder(CHECKPOINT_DIR, POLICY)
    assert file.codec is not None
    assert folder.codec is not None
    assert_equal_weights(file.unet, folder.unet)
    assert_equal_weights(file.codec.module, folder.codec.module)
    assert_equal_weights(file.text.module, folder.text.module)
    assert file.codec.scaling_factor == folder.codec.scaling_factor
    assert torch.equal(file.noise_schedule.alphas_cumprod, folder.noise_schedule.alphas_cumprod)
    assert (file.prediction, file.conditioning) == (folder.prediction, folder.conditioning)
    assert file.vae_config == folder.vae_config
    texts = ["A cat on a Blue background, masterpiece!! it's 12", "été 😀"]
    assert file.text.vocabulary.tokenize(texts) == folder.text.vocabulary.tokenize(texts)
    assert file.text.vocabulary.pad == folder.text.vocabulary.pad


def test_names_are_the_originals(exported: Path) -> None:
    with safe_open(exported, framework="pt") as content:
        names = set(content.keys())
        metadata = content.metadata()
    for name in (
        "model.diffusion_model.input_blocks.0.0.weight",
        "model.diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_k.weight",
        "model.diffusion_model.out.2.bias",
        "first_stage_model.encoder.down.0.block.0.norm1.weight",
        "first_stage_model.decoder.up.0.block.0.conv1.weight",
        "first_stage_model.quant_conv.weight",
        "cond_stage_model.transformer.text_model.final_layer_norm.weight",
        "cond_stage_model.transformer.text_model.embeddings.position_ids",
        "alphas_cumprod",
        "betas",
    ):
        assert name in names
    assert not [name for name in names if "resnets" in name or "mid_block" in name or "up_blocks" in name]
    assert json.loads(metadata["tokenizer/tokenizer.json"])["model"]["vocab"]
    size = json.loads((CHECKPOINT_DIR / "unet" / "config.json").read_text())["block_out_channels"]
    params = yaml.safe_load(exported.with_suffix(".yaml").read_text())["model"]["params"]
    shape = params["unet_config"]["params"]
    assert [round(factor * shape["model_channels"]) for factor in shape["channel_mult"]] == size


def test_the_server_draws_the_same(drawing: Any) -> None:
    from_folder = drawing.draw("a cat on a blue background", batch_size=2)
    chosen = {"override_settings": {"sd_model_checkpoint": "single.safetensors"}}
    from_file = drawing.draw("a cat on a blue background", batch_size=2, **chosen)
    assert from_folder.std() > 10
    assert np.abs(from_folder - from_file).max() <= 1


def test_diffusers_reads_it_with_the_folders_configuration(exported: Path) -> None:
    pipeline = StableDiffusionPipeline.from_single_file(
        str(exported), config=str(CHECKPOINT_DIR), local_files_only=True, safety_checker=None
    )
    folder = load_folder(CHECKPOINT_DIR, POLICY)
    assert folder.codec is not None
    assert_equal_weights(pipeline.unet, folder.unet)
    assert_equal_weights(pipeline.vae, folder.codec.module)
    assert_equal_weights(pipeline.text_encoder, folder.text.module)


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A folder with a random model of other sizes: 32 groups, attention in the VAE, two layers, eps."""
    from shutil import copytree

    folder = tmp_path / "other"
    for part in ("text_encoder", "tokenizer"):
        copytree(CHECKPOINT_DIR / part, folder / part)
    torch.manual_seed(2)
    UNet2DConditionModel(**UNET).save_pretrained(folder / "unet")
    AutoencoderKL(**VAE).save_pretrained(folder / "vae")
    DDPMScheduler(beta_schedule="linear", beta_start=1e-4, beta_end=0.02).save_pretrained(
        folder / "scheduler"
    )
    return folder


def test_another_model_through_diffusers_own_reader(other: Path, tmp_path: Path) -> None:
    path = export_single_file(other, tmp_path / "other.safetensors")
    for kind, part in ((UNet2DConditionModel, "unet"), (AutoencoderKL, "vae")):
        config = str(path.with_suffix(".yaml"))
        found = kind.from_single_file(str(path), original_config=config, local_files_only=True)
        assert_equal_weights(found, kind.from_pretrained(other / part))
        assert found.config["block_out_channels"] == list(
            (UNET if part == "unet" else VAE)["block_out_channels"]
        )


def test_another_model_through_our_reader(other: Path, tmp_path: Path) -> None:
    parts = read(export_single_file(other, tmp_path / "other.safetensors"))
    assert_equal_weights(parts.unet, UNet2DConditionModel.from_pretrained(other / "unet"))
    assert parts.codec is not None
    assert_equal_weights(parts.codec.module, AutoencoderKL.from_pretrained(other / "vae"))
    assert parts.unet.config["attention_head_dim"] == 2
    assert (parts.prediction, parts.codec.scaling_factor) == ("eps", 0.5)
    wanted = DDPMScheduler.from_pretrained(other / "scheduler").alphas_cumprod
    assert torch.equal(parts.noise_schedule.alphas_cumprod, wanted)


@pytest.mark.parametrize(
    ("part", "entry"),
    [
        ("unet", {"mid_block_type": None}),
        ("unet", {"layers_per_block": [1, 1, 2]}),
        ("unet", {"attention_head_dim": [2, 2, 2]}),
        ("vae", {"use_quant_conv": False}),
    ],
)
def test_what_the_layout_cannot_hold(other: Path, tmp_path: Path, part: str, entry: dict[str, Any]) -> None:
    config = other / part / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | entry))
    with pytest.raises(ValueError, match="the layout of single files cannot hold"):
        export_single_file(other, tmp_path / "other.safetensors")
    assert not (tmp_path / "other.safetensors").exists()


def test_heads_of_one_width(other: Path, tmp_path: Path) -> None:
    config = other / "unet" / "config.json"
    entry = {"attention_head_dim": [2, 4, 6]}
    config.write_text(json.dumps(json.loads(config.read_text()) | entry))
    parts = read(export_single_file(other, tmp_path / "other.safetensors"))
    assert list(parts.unet.config["attention_head_dim"]) == [2, 4, 6]
