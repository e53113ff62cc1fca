from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from sdapi_compat.backend.families import Conditioning, UnsupportedModel
from sdapi_compat.backend.headers import BadWeightFile
from sdapi_compat.backend.parts import ModelParts
from sdapi_compat.backend.policy import DeviceFlags, DevicePolicy
from sdapi_compat.backend.single_file import load_single_file, load_vae_file

POLICY = DevicePolicy.choose(DeviceFlags(use_cpu=("all",)))
Make = Callable[..., dict[str, Any]]
Write = Callable[..., Path]


def _load(path: Path) -> ModelParts:
    return load_single_file(path, path.with_suffix(".yaml"), POLICY)


def test_every_tensor_lands_where_it_belongs(ldm_folder: Path, ldm_tensors: Make) -> None:
    parts, tensors = _load(ldm_folder / "tiny.safetensors"), ldm_tensors()
    unet, text = parts.unet.state_dict(), parts.text.module.state_dict()
    source = "model.diffusion_model."
    for ours, theirs in (
        ("conv_in.weight", "input_blocks.0.0.weight"),
        ("time_embedding.linear_2.bias", "time_embed.2.bias"),
        ("down_blocks.1.attentions.0.proj_in.weight", "input_blocks.3.1.proj_in.weight"),
        ("mid_block.resnets.1.conv2.weight", "middle_block.2.out_layers.3.weight"),
        ("up_blocks.0.upsamplers.0.conv.weight", "output_blocks.1.2.conv.weight"),
        ("conv_out.bias", "out.2.bias"),
    ):
        assert torch.equal(unet[ours], tensors[source + theirs]), ours
    assert sum(tensor.numel() for tensor in unet.values()) == sum(
        tensor.numel() for name, tensor in tensors.items() if name.startswith(source)
    )
    name = "encoder.layers.2.mlp.fc1.weight"
    assert torch.equal(text[name], tensors[f"cond_stage_model.transformer.text_model.{name}"])
    assert parts.codec is not None
    assert parts.codec.scaling_factor == 0.25
    vae = parts.codec.module.state_dict()
    assert torch.equal(
        vae["decoder.mid_block.attentions.0.to_q.weight"],
        tensors["first_stage_model.decoder.mid.attn_1.q.weight"][:, :, 0, 0],
    )
    assert (parts.prediction, parts.conditioning) == ("eps", Conditioning.TEXT)


@pytest.mark.parametrize(("channels", "conditioning"), [(9, Conditioning.INPAINT), (8, Conditioning.EDIT)])
def test_extra_input_channels(
    tmp_path: Path, write_ldm: Write, channels: int, conditioning: Conditioning
) -> None:
    parts = _load(write_ldm(tmp_path / "m.safetensors", channels=channels))
    assert parts.conditioning is conditioning
    assert parts.unet.config["in_channels"] == channels


def test_v_prediction_from_the_yaml(tmp_path: Path, write_ldm: Write) -> None:
    path = write_ldm(tmp_path / "m.safetensors", parameterization='parameterization: "v"')
    assert _load(path).prediction == "v"


def test_schedule_is_the_formula_unless_the_file_has_one(
    tmp_path: Path, write_ldm: Write, ldm_tensors: Make
) -> None:
    formula = _load(write_ldm(tmp_path / "a.safetensors")).noise_schedule
    assert formula.sigma_max == pytest.approx(14.614642, abs=1e-4)
    assert formula.sigma_min == pytest.approx(0.0291675, abs=1e-6)
    stored = torch.linspace(0.99, 0.01, 1000)
    path = write_ldm(tmp_path / "b.safetensors", ldm_tensors() | {"alphas_cumprod": stored})
    assert torch.equal(_load(path).noise_schedule.alphas_cumprod, stored)
    path = write_ldm(tmp_path / "c.safetensors", ldm_tensors() | {"alphas_cumprod": stored[:10].clone()})
    with pytest.raises(BadWeightFile, match=r"alphas_cumprod has the shape \[10\]"):
        _load(path)


def test_old_clip_names_and_company(tmp_path: Path, write_ldm: Write, ldm_tensors: Make) -> None:
    old = {
        name.replace("transformer.text_model.", "transformer."): tensor
        for name, tensor in ldm_tensors().items()
    }
    old["cond_stage_model.transformer.embeddings.position_ids"] = torch.arange(77)[None]
    old["model_ema.decay"] = torch.tensor(0.99)
    parts = _load(write_ldm(tmp_path / "m.safetensors", old))
    name = "embeddings.token_embedding.weight"
    expected = ldm_tensors()["cond_stage_model.transformer.text_model." + name]
    assert torch.equal(parts.text.module.state_dict()[name], expected)


def test_pickled_half_precision_checkpoint(tmp_path: Path, ldm_folder: Path, ldm_tensors: Make) -> None:
    half = {name: tensor.half() for name, tensor in ldm_tensors().items()}
    torch.save({"state_dict": half, "global_step": 3}, tmp_path / "m.ckpt")
    parts = load_single_file(tmp_path / "m.ckpt", ldm_folder / "tiny.yaml", POLICY)
    weight = parts.unet.state_dict()["conv_in.weight"]
    assert weight.dtype == torch.float32
    assert torch.equal(weight, half["model.diffusion_model.input_blocks.0.0.weight"].float())


def test_a_checkpoint_without_vae_has_no_codec(tmp_path: Path, write_ldm: Write, ldm_tensors: Make) -> None:
    pruned = {name: value for name, value in ldm_tensors().items() if not name.startswith("first_stage_")}
    assert _load(write_ldm(tmp_path / "m.safetensors", pruned)).codec is None


def test_missing_tensors_are_refused(tmp_path: Path, write_ldm: Write, ldm_tensors: Make) -> None:
    for name, part in (
        ("model.diffusion_model.out.2.weight", "UNet"),
        ("first_stage_model.decoder.conv_out.weight", "VAE"),
        ("cond_stage_model.transformer.text_model.final_layer_norm.bias", "text encoder"),
    ):
        tensors = ldm_tensors()
        del tensors[name]
        with pytest.raises(BadWeightFile, match=f"the {part} lacks 1 tensors"):
            _load(write_ldm(tmp_path / "m.safetensors", tensors))


def test_without_yaml_the_dimensions_are_those_of_sd1(ldm_folder: Path) -> None:
    with pytest.raises(BadWeightFile, match="the UNet lacks"):
        load_single_file(ldm_folder / "tiny.safetensors", None, POLICY)


def test_a_lora_is_no_checkpoint(tmp_path: Path) -> None:
    save_file({"lora_unet_x.alpha": torch.tensor(1.0)}, str(tmp_path / "lora.safetensors"))
    with pytest.raises(UnsupportedModel, match="no Stable Diffusion UNet"):
        load_single_file(tmp_path / "lora.safetensors", None, POLICY)


def test_tokenizer_beside_the_text_config(tmp_path: Path, write_ldm: Write) -> None:
    from transformers.models.clip.tokenization_clip import CLIPTokenizer

    path = write_ldm(tmp_path / "m.safetensors")
    tokens = {token: index for index, token in enumerate(["a</w>", "<|startoftext|>", "<|endoftext|>"])}
    CLIPTokenizer(vocab=tokens, merges=[]).save_pretrained(tmp_path / "tiny-clip")
    assert _load(path).text.vocabulary.bos == 1


@pytest.mark.parametrize("prefix", ["", "first_stage_model."])
def test_separate_vae(tmp_path: Path, ldm_folder: Path, vae_tensors: Make, prefix: str) -> None:
    config = _load(ldm_folder / "tiny.safetensors").vae_config
    tensors = {prefix + name: value for name, value in vae_tensors(5).items()}
    tensors |= {"loss.logvar": torch.zeros(1), "model_ema.decay": torch.zeros(1)}
    torch.save({"state_dict": tensors}, tmp_path / "v.vae.pt")
    codec = load_vae_file(tmp_path / "v.vae.pt", config, POLICY)
    assert codec.scaling_factor == 0.25
    assert torch.equal(
        codec.module.state_dict()["decoder.conv_in.weight"], tensors[prefix + "decoder.conv_in.weight"]
    )


def test_a_vae_of_another_shape_is_refused(tmp_path: Path, ldm_folder: Path, vae_tensors: Make) -> None:
    config = _load(ldm_folder / "tiny.safetensors").vae_config
    tensors = vae_tensors(5) | {"decoder.conv_in.weight": torch.zeros(32, 16, 3, 3)}
    save_file(tensors, str(tmp_path / "v.safetensors"))
    with pytest.raises(BadWeightFile, match=r"decoder\.conv_in\.weight \[32, 16, 3, 3\] for"):
        load_vae_file(tmp_path / "v.safetensors", config, POLICY)


MARKERS = {"<|startoftext|>": 1, "<|endoftext|>": 2}


def _attach(folder: Path, tensors: dict[str, Any], **metadata: str) -> Path:
    """A checkpoint whose yaml names no folder, with this metadata; "__" in a name stands for "/"."""
    text = (folder / "tiny.yaml").read_text().replace("version: tiny-clip", "device: cpu")
    (folder / "attached.yaml").write_text(text)
    named = {name.replace("__", "/") + ".json": value for name, value in metadata.items()}
    save_file(tensors, str(folder / "attached.safetensors"), named)
    return folder / "attached.safetensors"


def test_text_config_and_tokenizer_in_the_metadata(
    tmp_path: Path, write_ldm: Write, ldm_tensors: Make
) -> None:
    write_ldm(tmp_path / "tiny.safetensors")
    config = (tmp_path / "tiny-clip" / "config.json").read_text()
    tokenizer = json.dumps({"model": {"vocab": {"a</w>": 0, **MARKERS}, "merges": []}})
    parts = _load(
        _attach(tmp_path, ldm_tensors(), text_encoder__config=config, tokenizer__tokenizer=tokenizer)
    )
    assert parts.text.width == json.loads(config)["hidden_size"]
    assert parts.text.vocabulary.tokenize(["a A"]) == [[0, 0]]
    assert parts.text.vocabulary.bos == 1
    parts = _load(_attach(tmp_path, ldm_tensors(), text_encoder__config=config))
    assert parts.text.vocabulary.bos == 49406


def test_the_folder_that_the_yaml_names_comes_first(
    tmp_path: Path, write_ldm: Write, ldm_tensors: Make
) -> None:
    path = write_ldm(tmp_path / "tiny.safetensors")
    save_file(
        ldm_tensors(), str(path), {"text_encoder/config.json": "no JSON", "tokenizer/tokenizer.json": "{"}
    )
    assert _load(path).text.vocabulary.bos == 49406


@pytest.mark.parametrize("damaged", ["nonsense", "{"])
def test_metadata_that_is_none(tmp_path: Path, write_ldm: Write, ldm_tensors: Make, damaged: str) -> None:
    write_ldm(tmp_path / "tiny.safetensors")
    with pytest.raises(BadWeightFile, match=r"text_encoder/config\.json in its metadata is no JSON object"):
        _load(_attach(tmp_path, ldm_tensors(), text_encoder__config=damaged))
    config = (tmp_path / "tiny-clip" / "config.json").read_text()
    with pytest.raises(BadWeightFile, match=r"tokenizer/tokenizer\.json in its metadata"):
        _load(_attach(tmp_path, ldm_tensors(), text_encoder__config=config, tokenizer__tokenizer=damaged))
