from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import nn
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel

from sdapi_compat.backend.families import UnsupportedModel
from sdapi_compat.backend.ldm_config import CLIP_L, LdmConfig, UNetShape, read_ldm_yaml


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_defaults_are_stable_diffusion_1() -> None:
    config = LdmConfig()
    with torch.device("meta"):
        unet = UNet2DConditionModel(**config.unet.diffusers_config())
        vae = AutoencoderKL(**config.vae.diffusers_config(config.scale_factor))
        text = CLIPTextModel(CLIPTextConfig.from_dict(config.text_config))
    assert _size(unet) == 859_520_964
    assert _size(vae) == 83_653_863
    assert _size(text) == 123_060_480
    assert (config.prediction, config.scale_factor, config.timesteps) == ("eps", 0.18215, 1000)


def test_yaml_of_the_original(golden: Path) -> None:
    config = read_ldm_yaml(golden / "models" / "Stable-diffusion" / "tinysd-inpainting.yaml")
    assert config.unet == UNetShape(
        in_channels=9,
        model_channels=32,
        attention_resolutions=(2, 1),
        num_res_blocks=2,
        channel_mult=(1, 2),
        num_heads=2,
        context_dim=32,
    )
    assert (config.vae.ch, config.vae.ch_mult, config.vae.num_res_blocks) == (32, (1, 2, 2, 2), 1)
    assert config.text_config["hidden_size"] == 32
    assert config.prediction == "eps"


def test_yaml_with_v_prediction_and_text_folder(ldm_folder: Path, tmp_path: Path) -> None:
    text = (ldm_folder / "tiny.yaml").read_text()
    (tmp_path / "m.yaml").write_text(
        text.replace("timesteps: 1000", 'timesteps: 1000\n    parameterization: "v"')
    )
    config = read_ldm_yaml(tmp_path / "m.yaml")
    assert config.prediction == "v"
    assert config.scale_factor == 0.25
    assert config.text_config == CLIP_L  # there is no tiny-clip folder beside this yaml
    assert config.text_folder is None
    assert read_ldm_yaml(ldm_folder / "tiny.yaml").text_config["hidden_size"] == 8


def test_heads_by_width() -> None:
    shape = UNetShape(num_heads=None, num_head_channels=64, use_linear_in_transformer=True)
    config = shape.diffusers_config()
    assert config["attention_head_dim"] == [5, 10, 20, 20]
    assert config["use_linear_projection"] is True
    assert config["down_block_types"] == ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"]
    assert config["up_block_types"] == ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3


def _yaml(tmp_path: Path, ldm_folder: Path, old: str, new: str) -> Path:
    text = (ldm_folder / "tiny.yaml").read_text()
    assert old in text
    (tmp_path / "m.yaml").write_text(text.replace(old, new))
    return tmp_path / "m.yaml"


def test_other_text_encoders_and_x0_are_refused(tmp_path: Path, ldm_folder: Path) -> None:
    with pytest.raises(UnsupportedModel, match="FrozenOpenCLIPEmbedder"):
        read_ldm_yaml(_yaml(tmp_path, ldm_folder, "FrozenCLIPEmbedder", "FrozenOpenCLIPEmbedder"))
    with pytest.raises(UnsupportedModel, match="x0"):
        read_ldm_yaml(_yaml(tmp_path, ldm_folder, "scale_factor", "parameterization: x0\n    scale_factor"))


@pytest.mark.parametrize(
    ("old", "new"),
    [("model:", "mdl:"), ("in_channels: 4", "in_channels: many"), ("num_heads: 2", "num_heads: [")],
)
def test_what_does_not_fit_is_a_value_error(tmp_path: Path, ldm_folder: Path, old: str, new: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        read_ldm_yaml(_yaml(tmp_path, ldm_folder, old, new))


def test_yaml_runs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.yaml").write_text("model: !!python/object/apply:os.system ['touch executed']")
    with pytest.raises(ValueError, match="python/object"):
        read_ldm_yaml(tmp_path / "m.yaml")
    assert not (tmp_path / "executed").exists()


def test_oversized_yaml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("#" * (1024 * 1024 + 1))
    with pytest.raises(ValueError, match="larger than"):
        read_ldm_yaml(tmp_path / "m.yaml")


def test_text_config_must_be_an_object(tmp_path: Path, ldm_folder: Path) -> None:
    path = _yaml(tmp_path, ldm_folder, "timesteps", "timesteps")
    (tmp_path / "tiny-clip").mkdir()
    (tmp_path / "tiny-clip" / "config.json").write_text("[]")
    with pytest.raises(ValueError, match="JSON object"):
        read_ldm_yaml(path)


def test_narrow_networks(tmp_path: Path, ldm_folder: Path) -> None:
    path = _yaml(
        tmp_path, ldm_folder, "channel_mult: [ 1, 2 ]", "channel_mult: [ 1, 2.5 ]\n        norm_num_groups: 4"
    )
    config = read_ldm_yaml(path).unet.diffusers_config()
    assert (config["block_out_channels"], config["norm_num_groups"]) == ([32, 80], 4)
    path = _yaml(
        tmp_path,
        ldm_folder,
        "ch_mult: [ 1, 1, 1, 1 ]",
        "ch_mult: [ 1, 1.5 ], attn_type: none, norm_num_groups: 1",
    )
    config = read_ldm_yaml(path).vae.diffusers_config(1.0)
    assert (config["block_out_channels"], config["norm_num_groups"]) == ([32, 48], 1)
    assert config["mid_block_add_attention"] is False


def test_attention_to_the_text_alone_and_on_the_way_up_alone(tmp_path: Path, ldm_folder: Path) -> None:
    more = "\n        down_attention_resolutions: [ 1 ]\n        disable_self_attentions: [ false, true ]"
    path = _yaml(tmp_path, ldm_folder, "channel_mult: [ 1, 2 ]", "channel_mult: [ 1, 2 ]" + more)
    config = read_ldm_yaml(path).unet.diffusers_config()
    assert config["down_block_types"] == ["CrossAttnDownBlock2D", "DownBlock2D"]
    assert config["up_block_types"] == ["CrossAttnUpBlock2D", "UpBlock2D"]
    assert config["only_cross_attention"] == [False, True]
    with torch.device("meta"):
        block = UNet2DConditionModel(**config).up_blocks[0].attentions[0].transformer_blocks[0]
    assert block.attn1.is_cross_attention
    short = "channel_mult: [ 1, 2 ]" + more.replace("false, true", "true")
    path = _yaml(tmp_path, ldm_folder, "channel_mult: [ 1, 2 ]", short)
    with pytest.raises(UnsupportedModel, match="1 entries for 2 levels"):
        read_ldm_yaml(path).unet.diffusers_config()


@pytest.mark.parametrize("entry", ["norm_num_groups: 0", "channel_mult: [ .inf ]", "channel_mult: [ -1 ]"])
def test_sizes_that_make_no_network(tmp_path: Path, ldm_folder: Path, entry: str) -> None:
    path = _yaml(tmp_path, ldm_folder, "channel_mult: [ 1, 2 ]", entry)
    with pytest.raises(ValueError, match=r"\S"):
        read_ldm_yaml(path)
