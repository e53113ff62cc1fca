"""A model that adapters are applied to, and files for it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from sdapi_compat.backend.model import DiffusionModel
from sdapi_compat.backend.registry_networks import LoraFile

Random = Callable[..., Tensor]
Write = Callable[[str, dict[str, Tensor]], LoraFile]
QUERY = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_q"
KOHYA_QUERY = "lora_unet_" + QUERY.replace(".", "_")
FC1 = "encoder.layers.1.mlp.fc1"
KOHYA_FC1 = "lora_te_text_model_" + FC1.replace(".", "_")


def weights_of(model: DiffusionModel) -> dict[str, Tensor]:
    """A copy of all weights."""
    parts = {"unet": model.unet, "text": model.text.module}
    return {f"{p}.{k}": v.clone() for p, module in parts.items() for k, v in module.state_dict().items()}


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


def weight_at(model: DiffusionModel, path: str) -> Tensor:
    root: nn.Module = model.text.module if path.startswith("encoder") else model.unet
    return root.get_parameter(f"{path}.weight")


def full_file(write: Write, name: str, value: float) -> LoraFile:
    """A file that adds `value` to every element of the query projection."""
    return write(name, {f"{KOHYA_QUERY}.diff": torch.full((64, 64), value)})
