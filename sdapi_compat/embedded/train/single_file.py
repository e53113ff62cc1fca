"""A model folder as one ``.safetensors`` in the original (LDM) layout, with the ``.yaml`` that describes it.

Such a file has no place for a tokenizer, nor for the sizes of a text encoder that is not CLIP-L: the two
JSON files that say so go into its metadata, under the names they have in the folder.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import load_file, save_file

from .frozen import read_config
from .ldm_names import Tensors, rename_unet, rename_vae
from .parts import DDPMScheduler

#: Files of the folder that go into the metadata, by their places in it.
ATTACHED = ("text_encoder/config.json", "tokenizer/tokenizer.json")
#: What the layout takes for granted about a U-Net and an autoencoder.
UNET_MUST = {
    "mid_block_type": "UNetMidBlock2DCrossAttn", "act_fn": "silu", "time_embedding_type": "positional",
    "resnet_time_scale_shift": "default", "dual_cross_attention": False,
    "class_embed_type": None, "addition_embed_type": None, "encoder_hid_dim": None, "flip_sin_to_cos": True,
    "freq_shift": 0, "norm_eps": 1e-5, "time_cond_proj_dim": None,
}  # fmt: skip
ONE_FOR_ALL = ("layers_per_block", "transformer_layers_per_block", "cross_attention_dim")
VAE_MUST = {"act_fn": "silu", "use_quant_conv": True, "use_post_quant_conv": True, "shift_factor": None}


def export_single_file(folder: Path, target: Path) -> Path:
    """Write ``target`` (a .safetensors) and the .yaml beside it from the diffusers folder ``folder``.

    Weights keep their precision. Raises ValueError for a model that the layout cannot hold.
    """
    unet, vae = read_config(folder, "unet"), read_config(folder, "vae")
    _check(unet, UNET_MUST, "unet")
    _check(vae, VAE_MUST, "vae")
    scheduler = DDPMScheduler.from_pretrained(folder / "scheduler")
    tensors = {
        f"model.diffusion_model.{name}": value
        for name, value in rename_unet(_part(folder, "unet"), unet).items()
    }
    tensors |= {
        f"first_stage_model.{name}": value for name, value in rename_vae(_part(folder, "vae"), vae).items()
    }
    tensors |= _text_tensors(folder) | _schedule_tensors(scheduler)
    target.parent.mkdir(parents=True, exist_ok=True)
    described = yaml.safe_dump(ldm_yaml(unet, vae, scheduler.config), sort_keys=False)
    target.with_suffix(".yaml").write_text(described, encoding="utf-8")
    save_file(tensors, target, metadata={"format": "pt", **_attached(folder)})
    return target


def _check(config: dict[str, Any], must: dict[str, Any], part: str) -> None:
    wrong = [f"{key} {config[key]!r}" for key, value in must.items() if config.get(key, value) != value]
    wrong += [f"{key} {config[key]!r}" for key in ONE_FOR_ALL if isinstance(config.get(key), list)]
    if wrong:
        raise ValueError(f"the layout of single files cannot hold this {part}: {', '.join(wrong)}")


def _attached(folder: Path) -> dict[str, str]:
    """The JSON files for the metadata, without the blanks between their parts."""
    texts = {name: (folder / name).read_text(encoding="utf-8") for name in ATTACHED}
    return {name: json.dumps(json.loads(text), separators=(",", ":")) for name, text in texts.items()}


def _part(folder: Path, part: str) -> Tensors:
    tensors: Tensors = {}
    for file in sorted((folder / part).glob("*.safetensors")):
        tensors |= load_file(file)
    return tensors


def _text_tensors(folder: Path) -> Tensors:
    prefix = "cond_stage_model.transformer.text_model."
    tensors = {
        prefix + name.removeprefix("text_model."): value
        for name, value in _part(folder, "text_encoder").items()
    }
    positions = tensors[prefix + "embeddings.position_embedding.weight"].shape[0]
    return tensors | {prefix + "embeddings.position_ids": torch.arange(positions)[None]}


def _schedule_tensors(scheduler: Any) -> Tensors:
    """The noise schedule as the original computes and keeps it: in double, then in single precision."""
    config = scheduler.config
    betas, alphas = scheduler.betas, scheduler.alphas_cumprod
    if (
        config.beta_schedule == "scaled_linear"
        and config.trained_betas is None
        and not config.rescale_betas_zero_snr
    ):
        ends = config.beta_start**0.5, config.beta_end**0.5
        betas = torch.linspace(*ends, config.num_train_timesteps, dtype=torch.float64) ** 2
        alphas = torch.cumprod(1 - betas, dim=0)
    return {"betas": betas.float(), "alphas_cumprod": alphas.float()}


def ldm_yaml(unet: dict[str, Any], vae: dict[str, Any], schedule: Any) -> dict[str, Any]:
    """What the .yaml says. The original has no ``norm_num_groups``, but 32 groups always, and no
    ``down_attention_resolutions``, but attention on the same levels down and up."""
    inpainting = unet["in_channels"] == 9
    kind = "LatentInpaintDiffusion" if inpainting else "LatentDiffusion"
    return {
        "model": {
            "target": f"ldm.models.diffusion.ddpm.{kind}",
            "params": {
                "parameterization": "v" if schedule["prediction_type"] == "v_prediction" else "eps",
                "linear_start": schedule["beta_start"],
                "linear_end": schedule["beta_end"],
                "timesteps": schedule["num_train_timesteps"],
                "first_stage_key": "jpg",
                "cond_stage_key": "txt",
                "image_size": unet["sample_size"],
                "channels": unet["out_channels"],
                "conditioning_key": "hybrid" if inpainting else "crossattn",
                "scale_factor": vae["scaling_factor"],
                "use_ema": False,
                "unet_config": {
                    "target": "ldm.modules.diffusionmodules.openaimodel.UNetModel",
                    "params": _unet_params(unet),
                },
                "first_stage_config": {
                    "target": "ldm.models.autoencoder.AutoencoderKL",
                    "params": _vae_params(vae),
                },
                "cond_stage_config": {"target": "ldm.modules.encoders.modules.FrozenCLIPEmbedder"},
            },
        }
    }


def _unet_params(config: dict[str, Any]) -> dict[str, Any]:
    widths = config["block_out_channels"]
    up, down = _attends(config["up_block_types"][::-1]), _attends(config["down_block_types"])
    text_only = _text_only(config)
    return {
        "image_size": config["sample_size"],
        "in_channels": config["in_channels"],
        "out_channels": config["out_channels"],
        "model_channels": widths[0],
        "attention_resolutions": up,
        **({"down_attention_resolutions": down} if down != up else {}),
        **({"disable_self_attentions": text_only} if any(text_only) else {}),
        "num_res_blocks": config["layers_per_block"],
        "channel_mult": _factors(widths),
        **_heads(config),
        "use_spatial_transformer": True,
        "transformer_depth": config["transformer_layers_per_block"],
        "context_dim": config["cross_attention_dim"],
        "use_linear_in_transformer": config["use_linear_projection"],
        "use_checkpoint": False,
        "legacy": False,
        "norm_num_groups": config["norm_num_groups"],
    }


def _attends(blocks: list[str]) -> list[int]:
    """The levels with attention among ``blocks``, largest level first, as factors of size."""
    return [2**level for level in reversed(range(len(blocks))) if "CrossAttn" in blocks[level]]


def _text_only(config: dict[str, Any]) -> list[bool]:
    """On which levels, largest first, cells attend to the text alone."""
    told = config["only_cross_attention"]
    if told is True:
        raise ValueError("the layout of single files cannot hold only_cross_attention in the middle")
    return list(told) if isinstance(told, list) else []


def _heads(config: dict[str, Any]) -> dict[str, int]:
    """The number of heads, which diffusers calls by another name, or their width where numbers differ."""
    heads = config["num_attention_heads"] or config["attention_head_dim"]
    if isinstance(heads, int):
        return {"num_heads": heads}
    shares = {width / count for width, count in zip(config["block_out_channels"], heads, strict=True)}
    if len(shares) != 1:
        raise ValueError(f"the layout of single files cannot hold heads of several widths: {heads}")
    return {"num_head_channels": int(shares.pop())}


def _vae_params(config: dict[str, Any]) -> dict[str, Any]:
    widths = config["block_out_channels"]
    return {
        "embed_dim": config["latent_channels"],
        "ddconfig": {
            "double_z": True,
            "z_channels": config["latent_channels"],
            "resolution": config["sample_size"],
            "in_channels": config["in_channels"],
            "out_ch": config["out_channels"],
            "ch": widths[0],
            "ch_mult": _factors(widths),
            "num_res_blocks": config["layers_per_block"],
            "attn_resolutions": [],
            "attn_type": "vanilla" if config["mid_block_add_attention"] else "none",
            "dropout": 0.0,
            "norm_num_groups": config["norm_num_groups"],
        },
        "lossconfig": {"target": "torch.nn.Identity"},
    }


def _factors(widths: list[int]) -> list[float]:
    """Widths as multiples of the first one: whole numbers where they are."""
    shares = [width / widths[0] for width in widths]
    return [int(share) if share.is_integer() else share for share in shares]
