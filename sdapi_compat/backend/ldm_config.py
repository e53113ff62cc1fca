"""The dimensions of a single-file checkpoint: SD 1.x, or what a .yaml beside it says. Torch-free."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import yaml

from sdapi_compat.backend.families import UnsupportedModel

S = TypeVar("S", bound=msgspec.Struct)
Prediction = Literal["eps", "v"]
_CLIP_TARGET = "FrozenCLIPEmbedder"
_MAX_CONFIG_BYTES = 1024 * 1024
_Factors = tuple[Annotated[float, msgspec.Meta(gt=0, le=1024)], ...]
_Groups = Annotated[int, msgspec.Meta(ge=1)]


class UNetShape(msgspec.Struct, frozen=True, kw_only=True):
    """`unet_config.params` of an LDM yaml; the defaults are SD 1.x.

    Ours are `norm_num_groups`, which the original fixes at 32, too many for narrow networks, factors in
    `channel_mult` that are no whole numbers, and `down_attention_resolutions`, for a way down that attends
    elsewhere than the way up.
    """

    in_channels: int = 4
    out_channels: int = 4
    model_channels: int = 320
    attention_resolutions: tuple[int, ...] = (4, 2, 1)
    down_attention_resolutions: tuple[int, ...] | None = None
    disable_self_attentions: tuple[bool, ...] | None = None
    num_res_blocks: int = 2
    channel_mult: _Factors = (1, 2, 4, 4)
    num_heads: int | None = 8
    num_head_channels: int | None = None
    transformer_depth: int = 1
    context_dim: int = 768
    use_linear_in_transformer: bool = False
    norm_num_groups: _Groups = 32

    def diffusers_config(self) -> dict[str, Any]:
        """Constructor arguments of diffusers' UNet2DConditionModel; "attention_head_dim" counts heads."""
        widths = [round(self.model_channels * factor) for factor in self.channel_mult]
        scales = [2**level for level in range(len(widths))]
        up = [scale in self.attention_resolutions for scale in scales]
        down = up
        if self.down_attention_resolutions is not None:
            down = [scale in self.down_attention_resolutions for scale in scales]
        return {
            "in_channels": self.in_channels,
            "out_channels": self.out_channels,
            "block_out_channels": widths,
            "layers_per_block": self.num_res_blocks,
            "cross_attention_dim": self.context_dim,
            "attention_head_dim": self._heads(widths),
            "transformer_layers_per_block": self.transformer_depth,
            "use_linear_projection": self.use_linear_in_transformer,
            "norm_num_groups": self.norm_num_groups,
            "only_cross_attention": self._text_only(len(widths)),
            "down_block_types": ["CrossAttnDownBlock2D" if on else "DownBlock2D" for on in down],
            "up_block_types": ["CrossAttnUpBlock2D" if on else "UpBlock2D" for on in reversed(up)],
        }

    def _text_only(self, levels: int) -> bool | list[bool]:
        """On which levels cells attend to the text alone, not to each other."""
        if self.disable_self_attentions is None:
            return False
        if len(self.disable_self_attentions) != levels:
            raise UnsupportedModel(
                f"disable_self_attentions has {len(self.disable_self_attentions)} entries for {levels} levels"
            )
        return list(self.disable_self_attentions)

    def _heads(self, widths: list[int]) -> int | list[int]:
        if self.num_head_channels is not None and self.num_head_channels > 0:
            return [width // self.num_head_channels for width in widths]
        return self.num_heads or 8


class VaeShape(msgspec.Struct, frozen=True, kw_only=True):
    """`first_stage_config.params.ddconfig` of an LDM yaml; the defaults are SD's.

    `attn_type` "none" leaves the attention in the middle out. `norm_num_groups` is ours, as in `UNetShape`.
    """

    ch: int = 128
    ch_mult: _Factors = (1, 2, 4, 4)
    num_res_blocks: int = 2
    z_channels: int = 4
    in_channels: int = 3
    out_ch: int = 3
    attn_type: str = "vanilla"
    norm_num_groups: _Groups = 32

    def diffusers_config(self, scaling_factor: float) -> dict[str, Any]:
        """The constructor arguments of diffusers' AutoencoderKL."""
        levels = len(self.ch_mult)
        return {
            "in_channels": self.in_channels,
            "out_channels": self.out_ch,
            "latent_channels": self.z_channels,
            "block_out_channels": [round(self.ch * factor) for factor in self.ch_mult],
            "layers_per_block": self.num_res_blocks,
            "down_block_types": ["DownEncoderBlock2D"] * levels,
            "up_block_types": ["UpDecoderBlock2D"] * levels,
            "mid_block_add_attention": self.attn_type != "none",
            "norm_num_groups": self.norm_num_groups,
            "scaling_factor": scaling_factor,
        }


class LdmConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about a single-file checkpoint that its tensors do not tell."""

    unet: UNetShape = msgspec.field(default_factory=UNetShape)
    vae: VaeShape = msgspec.field(default_factory=VaeShape)
    text_config: dict[str, Any] = msgspec.field(default_factory=lambda: dict(CLIP_L))
    """The config.json of the text encoder: that of `text_folder`, else CLIP-L's."""
    text_folder: Path | None = None
    """A folder with the text encoder's config.json, and perhaps a tokenizer."""
    prediction: Prediction = "eps"
    scale_factor: float = 0.18215
    linear_start: float = 0.00085
    linear_end: float = 0.0120
    timesteps: int = 1000


CLIP_L: dict[str, Any] = {
    "vocab_size": 49408,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "max_position_embeddings": 77,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
    "projection_dim": 768,
    "bos_token_id": 49406,
    "eos_token_id": 49407,
    "pad_token_id": 1,
}


class _Section(msgspec.Struct, frozen=True):
    target: str = ""
    params: dict[str, Any] = {}


class _ModelParams(msgspec.Struct, frozen=True):
    unet_config: _Section
    first_stage_config: _Section
    cond_stage_config: _Section
    parameterization: Literal["eps", "v", "x0"] = "eps"
    scale_factor: float = 0.18215
    linear_start: float = 0.00085
    linear_end: float = 0.0120
    timesteps: int = 1000


class _Model(msgspec.Struct, frozen=True):
    params: _ModelParams


class _Document(msgspec.Struct, frozen=True):
    model: _Model


def read_ldm_yaml(path: Path) -> LdmConfig:
    """The configuration in an original-style .yaml.

    `cond_stage_config.params.version` may be a path, relative to the yaml, to a folder with the text
    encoder's config.json (and optionally a tokenizer). Raises ValueError for a file that does not fit,
    UnsupportedModel for a text encoder other than CLIP-L's kind.
    """
    params = _parse(path).model.params
    if not params.cond_stage_config.target.endswith(_CLIP_TARGET):
        raise UnsupportedModel(f"the text encoder {params.cond_stage_config.target!r} is not supported")
    if params.parameterization == "x0":
        raise UnsupportedModel("x0 parameterization is not supported")
    folder = _text_folder(path, params.cond_stage_config.params.get("version"))
    autoencoder = params.first_stage_config.params.get("ddconfig", {})
    return LdmConfig(
        unet=_convert(params.unet_config.params, UNetShape),
        vae=_convert(autoencoder, VaeShape),
        text_config=dict(CLIP_L) if folder is None else _read_json(folder / "config.json"),
        text_folder=folder,
        prediction=params.parameterization,
        scale_factor=params.scale_factor,
        linear_start=params.linear_start,
        linear_end=params.linear_end,
        timesteps=params.timesteps,
    )


def _parse(path: Path) -> _Document:
    try:
        return _convert(yaml.safe_load(_read_text(path)), _Document)
    except yaml.YAMLError as error:
        raise ValueError(f"{path.name}: {error}") from error


def _convert(value: Any, kind: type[S]) -> S:
    return msgspec.convert(value, kind, strict=False)


def _text_folder(path: Path, version: object) -> Path | None:
    if not isinstance(version, str):
        return None
    folder = path.parent / version
    return folder if (folder / "config.json").is_file() else None


def _read_json(path: Path) -> dict[str, Any]:
    loaded = json.loads(_read_text(path))
    if not isinstance(loaded, dict):
        raise ValueError(f"{path.name}: Expected a JSON object")
    return loaded


def _read_text(path: Path) -> str:
    if path.stat().st_size > _MAX_CONFIG_BYTES:
        raise ValueError(f"{path.name}: larger than {_MAX_CONFIG_BYTES} bytes")
    return path.read_text(encoding="utf-8")
