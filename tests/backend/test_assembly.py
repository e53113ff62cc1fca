from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from sdapi_compat.backend.assembly import build_text_model, build_vae
from sdapi_compat.backend.headers import BadWeightFile
from sdapi_compat.backend.ldm_config import VaeShape

TEXT: dict[str, Any] = {
    "vocab_size": 20, "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2,
    "num_attention_heads": 2, "max_position_embeddings": 6, "hidden_act": "quick_gelu",
}  # fmt: skip
VAE = VaeShape(ch=32, ch_mult=(1,), num_res_blocks=1).diffusers_config(0.5)


def _text_tensors() -> dict[str, Tensor]:
    shapes: dict[str, tuple[int, ...]] = {"embeddings.token_embedding.weight": (20, 8)}
    shapes |= {"embeddings.position_embedding.weight": (6, 8)}
    for name in ("final_layer_norm", *(f"encoder.layers.{i}.layer_norm{k}" for i in (0, 1) for k in (1, 2))):
        shapes |= {f"{name}.weight": (8,), f"{name}.bias": (8,)}
    for index in (0, 1):
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            name = f"encoder.layers.{index}.self_attn.{part}"
            shapes |= {f"{name}.weight": (8, 8), f"{name}.bias": (8,)}
        for part, out, inside in (("fc1", 16, 8), ("fc2", 8, 16)):
            name = f"encoder.layers.{index}.mlp.{part}"
            shapes |= {f"{name}.weight": (out, inside), f"{name}.bias": (out,)}
    return {name: torch.randn(shape) for name, shape in shapes.items()}


@pytest.mark.parametrize("prefix", ["", "text_model."])
def test_text_model_with_either_naming(prefix: str) -> None:
    tensors = {prefix + name: tensor for name, tensor in _text_tensors().items()}
    tensors["text_model.embeddings.position_ids"] = torch.arange(6)  # old files carry this along
    module = build_text_model(TEXT, tensors, torch.float32)
    stored = module.state_dict()["encoder.layers.1.mlp.fc2.weight"]
    assert torch.equal(stored, tensors[prefix + "encoder.layers.1.mlp.fc2.weight"])
    assert module.embeddings.position_ids.tolist() == [[0, 1, 2, 3, 4, 5]]
    assert torch.isfinite(module(input_ids=torch.tensor([[1, 2, 3]])).last_hidden_state).all()


def test_nothing_trains_and_nothing_stays_on_meta() -> None:
    module = build_text_model(TEXT, _text_tensors(), torch.float16)
    assert not module.training
    tensors = [*module.parameters(), *module.buffers()]
    assert all(not tensor.requires_grad and tensor.device.type == "cpu" for tensor in tensors)
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float16}


def test_missing_tensors_are_named() -> None:
    tensors = _text_tensors()
    del tensors["final_layer_norm.bias"]
    with pytest.raises(BadWeightFile, match=r"text encoder lacks 1 tensors, such as final_layer_norm\.bias"):
        build_text_model(TEXT, tensors, torch.float32)
    with pytest.raises(BadWeightFile, match=r"VAE lacks \d+ tensors"):
        build_vae(VAE, {}, torch.float32)


def test_tensors_of_another_shape_are_named() -> None:
    tensors = _text_tensors() | {"final_layer_norm.bias": torch.zeros(9)}
    with pytest.raises(BadWeightFile, match=r"final_layer_norm\.bias \[9\] for \[8\]"):
        build_text_model(TEXT, tensors, torch.float32)
