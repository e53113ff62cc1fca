"""From the name a file gives a layer to the layer of the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import nn
from transformers.models.clip.modeling_clip import CLIPTextModel

_LAYERS = (nn.Linear, nn.Conv2d, nn.GroupNorm, nn.LayerNorm)
# sd-scripts; LyCORIS on its own; diffusers and peft; nothing.
_UNET_PREFIXES = (
    "lora_unet_", "oft_unet_", "lycoris_unet_", "lycoris_", "unet_", "base_model_model_", "",
)  # fmt: skip
_TEXT_PREFIXES = (
    "lora_te_", "lora_te1_", "lycoris_te_", "lycoris_te1_", "lycoris_", "text_encoder_",
    "base_model_model_", "",
)  # fmt: skip
_OLD_TEXT_PREFIX = "text_model_"
_LDM_ENDS = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_LDM_RESIDUAL = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer of the model with a weight that adapters change. `path`: diffusers' or transformers' name."""

    path: str
    module: nn.Module
    in_text_encoder: bool


class LayerNames:
    """Every layer of a model under every name adapter files use.

    UNet layers go by diffusers' and by the original's (LDM) names, text layers with and without "text_model".
    """

    def __init__(self, unet: UNet2DConditionModel, text: CLIPTextModel) -> None:
        blocks = dict(_ldm_blocks(unet))
        unet_layers, text_layers = {}, {}
        for layer in _layers(unet, in_text_encoder=False):
            unet_layers[_flat(layer.path)] = unet_layers[_flat(_ldm_path(layer.path, blocks))] = layer
        for layer in _layers(text, in_text_encoder=True):
            text_layers[_flat(layer.path)] = text_layers[_OLD_TEXT_PREFIX + _flat(layer.path)] = layer
        self._tables: list[tuple[str, Mapping[str, Layer]]] = [
            *((prefix, unet_layers) for prefix in _UNET_PREFIXES),
            *((prefix, text_layers) for prefix in _TEXT_PREFIXES),
        ]

    def find(self, name: str) -> Layer | None:
        """The layer a file means by `name`, with dots or underscores; None when the model has none."""
        flat = _flat(name)
        for prefix, layers in self._tables:
            if flat.startswith(prefix) and (layer := layers.get(flat[len(prefix) :])) is not None:
                return layer
        return None


def _flat(path: str) -> str:
    return path.replace(".", "_")


def _layers(root: nn.Module, *, in_text_encoder: bool) -> Iterator[Layer]:
    for path, module in root.named_modules():
        if isinstance(module, _LAYERS):
            yield Layer(path, module, in_text_encoder)


def _ldm_blocks(unet: UNet2DConditionModel) -> Iterator[tuple[str, str]]:
    """diffusers' name of a block and the original's, for what stands at the top and inside the blocks."""
    yield from _LDM_ENDS.items()
    block: Any
    number = 1
    for index, block in enumerate(unet.down_blocks):
        yield from _ldm_pairs(f"down_blocks.{index}", "input_blocks", number, block)
        number += len(block.resnets)
        if block.downsamplers:
            yield f"down_blocks.{index}.downsamplers.0.conv", f"input_blocks.{number}.0.op"
            number += 1
    number = 0
    for index, block in enumerate(unet.up_blocks):
        yield from _ldm_pairs(f"up_blocks.{index}", "output_blocks", number, block)
        number += len(block.resnets)
        if block.upsamplers:
            place = 2 if _has_attention(block) else 1
            yield f"up_blocks.{index}.upsamplers.0.conv", f"output_blocks.{number - 1}.{place}.conv"


def _ldm_pairs(path: str, ldm: str, first: int, block: Any) -> Iterator[tuple[str, str]]:
    for index in range(len(block.resnets)):
        yield f"{path}.resnets.{index}", f"{ldm}.{first + index}.0"
        if _has_attention(block):
            yield f"{path}.attentions.{index}", f"{ldm}.{first + index}.1"


def _has_attention(block: nn.Module) -> bool:
    return hasattr(block, "attentions")


def _ldm_path(path: str, blocks: Mapping[str, str]) -> str:
    """The original's name of a UNet layer; the name itself where the original has no such layer."""
    block = next((block for block in blocks if path == block or path.startswith(f"{block}.")), None)
    if block is None:
        return path
    inner = path[len(block) :].removeprefix(".")
    inner = _LDM_RESIDUAL.get(inner, inner)
    return f"{blocks[block]}.{inner}" if inner else blocks[block]
