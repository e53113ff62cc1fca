"""Tiny random checkpoints in both layouts, and the reference pictures where they are present."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

TEXT_CONFIG = {
    "vocab_size": 49408, "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 3,
    "num_attention_heads": 2, "max_position_embeddings": 77, "hidden_act": "quick_gelu",
    "bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 1,
}  # fmt: skip
WIDTH, CONTEXT, VAE_WIDTH = 32, 8, 32

YAML = """
model:
  target: ldm.models.diffusion.ddpm.LatentDiffusion
  params:
    linear_start: 0.00085
    linear_end: 0.0120
    timesteps: 1000
    scale_factor: 0.25
    {parameterization}
    unet_config:
      target: ldm.modules.diffusionmodules.openaimodel.UNetModel
      params:
        in_channels: {channels}
        out_channels: 4
        model_channels: 32
        attention_resolutions: [ 2 ]
        num_res_blocks: 1
        channel_mult: [ 1, 2 ]
        num_heads: 2
        transformer_depth: 1
        context_dim: 8
    first_stage_config:
      target: ldm.models.autoencoder.AutoencoderKL
      params:
        embed_dim: 4
        ddconfig: {{ z_channels: 4, ch: 32, ch_mult: [ 1, 1, 1, 1 ], num_res_blocks: 1 }}
    cond_stage_config:
      target: ldm.modules.encoders.modules.FrozenCLIPEmbedder
      params:
        version: tiny-clip
"""

Shapes = dict[str, tuple[int, ...]]


def _layer(name: str, *shape: int) -> Shapes:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def _unet_res(name: str, inside: int, out: int, time: int) -> Shapes:
    shapes = _layer(f"{name}.in_layers.0", inside) | _layer(f"{name}.in_layers.2", out, inside, 3, 3)
    shapes |= _layer(f"{name}.emb_layers.1", out, time) | _layer(f"{name}.out_layers.0", out)
    shapes |= _layer(f"{name}.out_layers.3", out, out, 3, 3)
    return shapes | (_layer(f"{name}.skip_connection", out, inside, 1, 1) if inside != out else {})


def _transformer(name: str, width: int) -> Shapes:
    block = f"{name}.transformer_blocks.0"
    shapes = _layer(f"{name}.norm", width) | _layer(f"{name}.proj_in", width, width, 1, 1)
    for attention, source in (("attn1", width), ("attn2", CONTEXT)):
        shapes |= {f"{block}.{attention}.to_q.weight": (width, width)}
        shapes |= {f"{block}.{attention}.to_{part}.weight": (width, source) for part in "kv"}
        shapes |= _layer(f"{block}.{attention}.to_out.0", width, width)
    for norm in ("norm1", "norm2", "norm3"):
        shapes |= _layer(f"{block}.{norm}", width)
    shapes |= _layer(f"{block}.ff.net.0.proj", 8 * width, width) | _layer(
        f"{block}.ff.net.2", width, 4 * width
    )
    return shapes | _layer(f"{name}.proj_out", width, width, 1, 1)


def _unet(channels: int) -> Shapes:
    """One residual block per level, widths 32 and 64, attention on the lower level."""
    low, high, time = WIDTH, 2 * WIDTH, 4 * WIDTH
    shapes = _layer("time_embed.0", time, low) | _layer("time_embed.2", time, time)
    shapes |= _layer("input_blocks.0.0", low, channels, 3, 3) | _unet_res("input_blocks.1.0", low, low, time)
    shapes |= _layer("input_blocks.2.0.op", low, low, 3, 3) | _unet_res("input_blocks.3.0", low, high, time)
    shapes |= _transformer("input_blocks.3.1", high) | _unet_res("middle_block.0", high, high, time)
    shapes |= _transformer("middle_block.1", high) | _unet_res("middle_block.2", high, high, time)
    shapes |= _unet_res("output_blocks.0.0", high + high, high, time) | _transformer(
        "output_blocks.0.1", high
    )
    shapes |= _unet_res("output_blocks.1.0", high + low, high, time) | _transformer("output_blocks.1.1", high)
    shapes |= _layer("output_blocks.1.2.conv", high, high, 3, 3)
    shapes |= _unet_res("output_blocks.2.0", high + low, low, time)
    shapes |= _unet_res("output_blocks.3.0", low + low, low, time)
    return shapes | _layer("out.0", low) | _layer("out.2", 4, low, 3, 3)


def _vae_res(name: str) -> Shapes:
    shapes = _layer(f"{name}.norm1", VAE_WIDTH) | _layer(f"{name}.norm2", VAE_WIDTH)
    for conv in ("conv1", "conv2"):
        shapes |= _layer(f"{name}.{conv}", VAE_WIDTH, VAE_WIDTH, 3, 3)
    return shapes


def _vae_half(name: str, *, inside: int, out: int, level: str, blocks: int, step: str) -> Shapes:
    width = VAE_WIDTH
    shapes = _layer(f"{name}.conv_in", width, inside, 3, 3) | _layer(f"{name}.norm_out", width)
    shapes |= _layer(f"{name}.conv_out", out, width, 3, 3)
    for index in range(4):
        for block in range(blocks):
            shapes |= _vae_res(f"{name}.{level}.{index}.block.{block}")
        if index != (3 if level == "down" else 0):
            shapes |= _layer(f"{name}.{level}.{index}.{step}.conv", width, width, 3, 3)
    shapes |= _vae_res(f"{name}.mid.block_1") | _vae_res(f"{name}.mid.block_2")
    shapes |= _layer(f"{name}.mid.attn_1.norm", width)
    for part in ("q", "k", "v", "proj_out"):
        shapes |= _layer(f"{name}.mid.attn_1.{part}", width, width, 1, 1)
    return shapes


def _vae() -> Shapes:
    shapes = _vae_half("encoder", inside=3, out=8, level="down", blocks=1, step="downsample")
    shapes |= _vae_half("decoder", inside=4, out=3, level="up", blocks=2, step="upsample")
    return shapes | _layer("quant_conv", 8, 8, 1, 1) | _layer("post_quant_conv", 4, 4, 1, 1)


def _text() -> Shapes:
    width, inner = TEXT_CONFIG["hidden_size"], TEXT_CONFIG["intermediate_size"]
    shapes: Shapes = {"embeddings.token_embedding.weight": (49408, width)}
    shapes |= {"embeddings.position_embedding.weight": (77, width)} | _layer("final_layer_norm", width)
    for index in range(TEXT_CONFIG["num_hidden_layers"]):
        layer = f"encoder.layers.{index}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            shapes |= _layer(f"{layer}.self_attn.{part}", width, width)
        shapes |= _layer(f"{layer}.layer_norm1", width) | _layer(f"{layer}.layer_norm2", width)
        shapes |= _layer(f"{layer}.mlp.fc1", inner, width) | _layer(f"{layer}.mlp.fc2", width, inner)
    return shapes


def _prefixed(prefix: str, shapes: Shapes) -> Shapes:
    return {prefix + name: shape for name, shape in shapes.items()}


def _random(shapes: Shapes, seed: int) -> dict[str, Any]:
    import torch

    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(shape, generator=generator) * 0.1 + (1.0 if _is_norm_scale(name, shape) else 0.0)
        for name, shape in shapes.items()
    }


def _is_norm_scale(name: str, shape: tuple[int, ...]) -> bool:
    return name.endswith(".weight") and len(shape) == 1


@pytest.fixture(scope="session")
def ldm_tensors() -> Callable[..., dict[str, Any]]:
    """`make(channels=4, seed=0)`: the tensors of a tiny SD 1.x single-file checkpoint, float32."""

    def make(channels: int = 4, seed: int = 0) -> dict[str, Any]:
        shapes = _prefixed("model.diffusion_model.", _unet(channels))
        shapes |= _prefixed("first_stage_model.", _vae())
        shapes |= _prefixed("cond_stage_model.transformer.text_model.", _text())
        return _random(shapes, seed)

    return make


@pytest.fixture(scope="session")
def vae_tensors() -> Callable[[int], dict[str, Any]]:
    """`make(seed)`: the tensors of a separate VAE file."""
    return lambda seed: _random(_vae(), seed)


@pytest.fixture(scope="session")
def write_ldm(ldm_tensors: Callable[..., dict[str, Any]]) -> Callable[..., Path]:
    """`write(path, tensors=None, channels=4, parameterization="")`: a checkpoint with its yaml."""
    from safetensors.torch import save_file

    def write(
        path: Path, tensors: dict[str, Any] | None = None, channels: int = 4, parameterization: str = ""
    ) -> Path:
        (path.parent / "tiny-clip").mkdir(parents=True, exist_ok=True)
        (path.parent / "tiny-clip" / "config.json").write_text(json.dumps(TEXT_CONFIG))
        path.with_suffix(".yaml").write_text(
            YAML.format(channels=channels, parameterization=parameterization)
        )
        save_file(ldm_tensors(channels) if tensors is None else tensors, str(path))
        return path

    return write


@pytest.fixture(scope="session")
def ldm_folder(tmp_path_factory: pytest.TempPathFactory, write_ldm: Callable[..., Path]) -> Path:
    """A models folder with one tiny checkpoint `tiny.safetensors`. Do not write into it."""
    folder = tmp_path_factory.mktemp("ldm")
    write_ldm(folder / "tiny.safetensors")
    return folder


@pytest.fixture(scope="session")
def diffusers_folder(tmp_path_factory: pytest.TempPathFactory, ldm_folder: Path) -> Path:
    """The checkpoint of `ldm_folder` saved by diffusers and transformers. Do not write into it."""
    from sdapi_compat.backend.policy import DeviceFlags, DevicePolicy
    from sdapi_compat.backend.single_file import load_single_file

    policy = DevicePolicy.choose(DeviceFlags(use_cpu=("all",)))
    parts = load_single_file(ldm_folder / "tiny.safetensors", ldm_folder / "tiny.yaml", policy)
    folder = tmp_path_factory.mktemp("folders") / "tiny-folder"
    parts.unet.save_pretrained(folder / "unet")
    parts.codec.module.save_pretrained(folder / "vae")
    parts.text.module.save_pretrained(folder / "text_encoder")
    (folder / "scheduler").mkdir()
    scheduler = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler))
    index = {
        "_class_name": "StableDiffusionPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "safety_checker": [None, None],
    }
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of reference pictures and models, named by SDAPI_GOLDEN; the test is skipped without it."""
    named = os.environ.get("SDAPI_GOLDEN", "")
    if not named or not Path(named, "models").is_dir():
        pytest.skip("SDAPI_GOLDEN names no folder of reference pictures")
    return Path(named)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """More threads than cores make tiny models slower, not faster."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
