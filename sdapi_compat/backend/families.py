"""Which kind of model a checkpoint is, told from the names and shapes of its tensors. Torch-free.

The order of the tests is A1111 1.10.1's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

Shapes = Mapping[str, Sequence[int]]

UNET_PREFIX = "model.diffusion_model."
_CONV_IN = UNET_PREFIX + "input_blocks.0.0.weight"
_OPEN_CLIP = "cond_stage_model.model.transformer.resblocks.0.attn.in_proj_weight"
_SD2_TURBO = "conditioner.embedders.0.model.transformer.resblocks.0.attn.in_proj_weight"
_FINGERPRINTS = (
    (UNET_PREFIX + "x_embedder.proj.weight", "Stable Diffusion 3"),
    ("conditioner.embedders.1.model.ln_final.weight", "SDXL"),
    ("conditioner.embedders.0.model.ln_final.weight", "SDXL refiner"),
    ("depth_model.model.pretrained.act_postprocess3.0.project.0.bias", "Stable Diffusion 2 depth"),
    ("embedder.model.ln_final.weight", "Stable Diffusion 2 unCLIP"),
    (_OPEN_CLIP, "Stable Diffusion 2"),
    (_SD2_TURBO, "Stable Diffusion 2"),
    ("cond_stage_model.roberta.embeddings.word_embeddings.weight", "AltDiffusion"),
)


class Conditioning(Enum):
    """What the UNet reads besides noisy latents and text."""

    TEXT = "text"
    INPAINT = "inpaint"
    """A mask and the masked picture's latents: 9 input channels."""
    EDIT = "edit"
    """The picture's latents: 8 input channels (InstructPix2Pix)."""


CONDITIONING_BY_CHANNELS = {4: Conditioning.TEXT, 8: Conditioning.EDIT, 9: Conditioning.INPAINT}


class UnsupportedModel(Exception):
    """A model this server has no code for; the text names it."""


def detect(shapes: Shapes) -> Conditioning:
    """The conditioning of an SD 1.x single-file checkpoint. Raises UnsupportedModel for every other model."""
    for key, name in _FINGERPRINTS:
        if key in shapes:
            raise UnsupportedModel(f"{name} single-file checkpoints are not supported")
    conv_in = shapes.get(_CONV_IN)
    if conv_in is None or len(conv_in) != 4:
        raise UnsupportedModel(f"it holds no Stable Diffusion UNet (no tensor {_CONV_IN!r})")
    return conditioning_of(conv_in[1])


def conditioning_of(channels: int) -> Conditioning:
    """The conditioning of a UNet with so many input channels. Raises UnsupportedModel."""
    found = CONDITIONING_BY_CHANNELS.get(channels)
    if found is None:
        raise UnsupportedModel(f"a UNet with {channels} input channels is not supported")
    return found
