"""From the names diffusers gives the tensors of U-Net and autoencoder to those of the original (LDM)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, TypeAlias

from torch import Tensor

Tensors: TypeAlias = dict[str, Tensor]

RESIDUAL = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
UNET_ENDS = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
#: Inside the autoencoder, in this order.
VAE_RULES = (
    (r"mid_block\.resnets\.0", "mid.block_1"),
    (r"mid_block\.resnets\.1", "mid.block_2"),
    (r"mid_block\.attentions\.0\.group_norm", "mid.attn_1.norm"),
    (r"mid_block\.attentions\.0\.to_out\.0", "mid.attn_1.proj_out"),
    (r"mid_block\.attentions\.0\.to_", "mid.attn_1."),
    (r"down_blocks\.(\d+)\.resnets\.", r"down.\1.block."),
    (r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample"),
    (r"conv_shortcut", "nin_shortcut"),
    (r"conv_norm_out", "norm_out"),
)


def rename_unet(tensors: Tensors, config: dict[str, Any]) -> Tensors:
    """The tensors of a UNet2DConditionModel by the original's names; ``config``: its config.json."""
    blocks = dict(_unet_blocks(len(config["block_out_channels"]), config["layers_per_block"]))
    attends = ["CrossAttn" in kind for kind in config["up_block_types"]]
    return {_unet_name(name, blocks, attends): value for name, value in tensors.items()}


def _unet_blocks(levels: int, layers: int) -> Iterable[tuple[str, str]]:
    """diffusers' and the original's names of all blocks; upsamplers end the last block of a level."""
    yield from UNET_ENDS.items()
    for number, place in enumerate(("resnets.0", "attentions.0", "resnets.1")):
        yield f"mid_block.{place}", f"middle_block.{number}"
    for level in range(levels):
        first = 1 + level * (layers + 1)
        for layer in range(layers):
            yield f"down_blocks.{level}.resnets.{layer}", f"input_blocks.{first + layer}.0"
            yield f"down_blocks.{level}.attentions.{layer}", f"input_blocks.{first + layer}.1"
        yield f"down_blocks.{level}.downsamplers.0.conv", f"input_blocks.{first + layers}.0.op"
        for layer in range(layers + 1):
            number = level * (layers + 1) + layer
            yield f"up_blocks.{level}.resnets.{layer}", f"output_blocks.{number}.0"
            yield f"up_blocks.{level}.attentions.{layer}", f"output_blocks.{number}.1"
        yield f"up_blocks.{level}.upsamplers.0", f"output_blocks.{level * (layers + 1) + layers}.up"


def _unet_name(name: str, blocks: dict[str, str], attends: list[bool]) -> str:
    block = next(block for block in blocks if name.startswith(f"{block}."))
    inner, _, kind = name.removeprefix(f"{block}.").rpartition(".")
    inner = RESIDUAL.get(inner, inner)
    place = blocks[block]
    if place.endswith(".up"):
        level = int(block.split(".")[1])
        place = f"{place.removesuffix('.up')}.{2 if attends[level] else 1}"
    return ".".join(part for part in (place, inner, kind) if part)


def rename_vae(tensors: Tensors, config: dict[str, Any]) -> Tensors:
    """The tensors of an AutoencoderKL by the original's names; the original attends with 1x1 convolutions."""
    levels = len(config["block_out_channels"])
    renamed = {}
    for name, value in tensors.items():
        new = _vae_name(name, levels)
        in_attention = ".attn_1." in new and ".norm." not in new
        renamed[new] = value[:, :, None, None] if in_attention and value.ndim == 2 else value
    return renamed


def _vae_name(name: str, levels: int) -> str:
    for pattern, replacement in VAE_RULES:
        name = re.sub(pattern, replacement, name)
    # The original counts the decoder's levels from the last one.
    found = re.search(r"up_blocks\.(\d+)\.(resnets|upsamplers\.0)", name)
    if found is None:
        return name
    kind = "block" if found[2] == "resnets" else "upsample"
    return name.replace(found[0], f"up.{levels - 1 - int(found[1])}.{kind}")
