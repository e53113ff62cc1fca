from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
from torch import Tensor, nn

from sdapi_compat.backend.adapters.names import LayerNames
from sdapi_compat.backend.model import DiffusionModel

KINDS = (nn.Linear, nn.Conv2d, nn.GroupNorm, nn.LayerNorm)
ROW = "down_blocks.1.attentions.0.transformer_blocks.0"


def _modules(root: nn.Module) -> dict[str, nn.Module]:
    return {path: module for path, module in root.named_modules() if isinstance(module, KINDS)}


@pytest.fixture(scope="module")
def names(unet: Any, text: Any) -> LayerNames:
    return LayerNames(unet, text)


def _check_bijection(names: LayerNames, made: dict[str, nn.Module]) -> None:
    """Every made name finds its own module, and no two names are the same."""
    for name, module in made.items():
        found = names.find(name)
        assert found is not None, name
        assert found.module is module, name
    assert len({id(module) for module in made.values()}) == len(made)


@pytest.mark.parametrize(
    "prefix", ["lora_unet_", "lycoris_", "lycoris_unet_", "oft_unet_", "base_model_model_"]
)
def test_every_unet_layer_with_underscores(names: LayerNames, unet: Any, prefix: str) -> None:
    modules = _modules(unet)
    assert len(modules) > 300
    made = {prefix + path.replace(".", "_"): module for path, module in modules.items()}
    assert len(made) == len(modules)
    _check_bijection(names, made)


@pytest.mark.parametrize("prefix", ["unet.", "", "base_model.model."])
def test_every_unet_layer_with_dots(names: LayerNames, unet: Any, prefix: str) -> None:
    _check_bijection(names, {prefix + path: module for path, module in _modules(unet).items()})


@pytest.mark.parametrize("prefix", ["lora_te_", "lora_te1_", "lycoris_", "text_encoder_"])
@pytest.mark.parametrize("inner", ["text_model_", ""])
def test_every_text_layer(names: LayerNames, text: Any, prefix: str, inner: str) -> None:
    modules = _modules(text)
    assert len(modules) == 2 * 8 + 1
    _check_bijection(names, {prefix + inner + path.replace(".", "_"): m for path, m in modules.items()})
    _check_bijection(names, {f"text_encoder.text_model.{path}": m for path, m in modules.items()})


def test_layers_know_their_part(names: LayerNames) -> None:
    for name, in_text in (
        ("lora_te_text_model_encoder_layers_1_mlp_fc1", True),
        ("text_encoder.text_model.encoder.layers.0.self_attn.q_proj", True),
        ("lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k", False),
    ):
        found = names.find(name)
        assert found is not None
        assert found.in_text_encoder is in_text


@pytest.mark.parametrize(
    ("ldm", "path"),
    [
        ("input_blocks_0_0", "conv_in"),
        ("time_embed_2", "time_embedding.linear_2"),
        ("input_blocks_4_1_transformer_blocks_0_attn1_to_q", f"{ROW}.attn1.to_q"),
        ("input_blocks_4_1_proj_in", "down_blocks.1.attentions.0.proj_in"),
        ("input_blocks_3_0_op", "down_blocks.0.downsamplers.0.conv"),
        ("middle_block_1_transformer_blocks_0_norm3", "mid_block.attentions.0.transformer_blocks.0.norm3"),
        ("output_blocks_2_1_conv", "up_blocks.0.upsamplers.0.conv"),
        ("output_blocks_5_2_conv", "up_blocks.1.upsamplers.0.conv"),
        ("output_blocks_11_0_skip_connection", "up_blocks.3.resnets.2.conv_shortcut"),
        ("output_blocks_11_0_emb_layers_1", "up_blocks.3.resnets.2.time_emb_proj"),
        ("out_2", "conv_out"),
    ],
)  # fmt: skip
def test_names_of_the_original_unet(names: LayerNames, unet: Any, ldm: str, path: str) -> None:
    found = names.find(f"lora_unet_{ldm}")
    assert found is not None
    assert found.path == path
    assert found.module is unet.get_submodule(path)


def test_every_name_of_an_original_checkpoint(
    tiny_model: DiffusionModel, ldm_tensors: Callable[..., dict[str, Tensor]]
) -> None:
    """diffusers' converter says where each tensor of a single-file checkpoint belongs."""
    start = "model.diffusion_model."
    tensors = {key: tensor for key, tensor in ldm_tensors().items() if key.startswith(start)}
    convert: Any = convert_ldm_unet_checkpoint
    converted = convert(dict(tensors), dict(tiny_model.unet.config))
    homes = {tensor.data_ptr(): key.rpartition(".")[0] for key, tensor in converted.items()}
    names = LayerNames(tiny_model.unet, tiny_model.text.module)
    seen = set()
    for key, tensor in tensors.items():
        found = names.find("lora_unet_" + key.removeprefix(start).rpartition(".")[0].replace(".", "_"))
        assert found is not None, key
        assert found.path == homes[tensor.data_ptr()], key
        seen.add(found.path)
    assert seen == set(_modules(tiny_model.unet))


@pytest.mark.parametrize(
    "name",
    [
        "", "lora_unet_", "lora_unet_nothing", "lora_te2_text_model_encoder_layers_0_mlp_fc1",
        "lora_te_text_model_encoder_layers_9_mlp_fc1", "lora_unet_input_blocks_12_0", "conv_in.weight",
        "lora_te_text_model_embeddings_token_embedding", "lora_unet_down_blocks_0",
    ],
)  # fmt: skip
def test_names_of_nothing(names: LayerNames, name: str) -> None:
    assert names.find(name) is None
