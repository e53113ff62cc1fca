from __future__ import annotations

import pytest

from sdapi_compat.backend.families import Conditioning, UnsupportedModel, conditioning_of, detect

CONV_IN = "model.diffusion_model.input_blocks.0.0.weight"


@pytest.mark.parametrize(
    ("channels", "conditioning"),
    [(4, Conditioning.TEXT), (9, Conditioning.INPAINT), (8, Conditioning.EDIT)],
)
def test_input_channels_tell_the_kind(channels: int, conditioning: Conditioning) -> None:
    assert detect({CONV_IN: (320, channels, 3, 3)}) is conditioning
    assert conditioning_of(channels) is conditioning


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("model.diffusion_model.x_embedder.proj.weight", "Stable Diffusion 3 "),
        ("conditioner.embedders.1.model.ln_final.weight", "SDXL "),
        ("conditioner.embedders.0.model.ln_final.weight", "SDXL refiner"),
        ("cond_stage_model.model.transformer.resblocks.0.attn.in_proj_weight", "Stable Diffusion 2 "),
    ],
)
def test_other_families_are_refused_by_name(key: str, name: str) -> None:
    with pytest.raises(UnsupportedModel, match=name):
        detect({CONV_IN: (320, 4, 3, 3), key: (1,)})


def test_files_without_a_unet_are_refused() -> None:
    with pytest.raises(UnsupportedModel, match="no Stable Diffusion UNet"):
        detect({"lora_unet_x.alpha": ()})
    with pytest.raises(UnsupportedModel, match="no Stable Diffusion UNet"):
        detect({CONV_IN: (320, 4)})
    with pytest.raises(UnsupportedModel, match="7 input channels"):
        detect({CONV_IN: (320, 7, 3, 3)})
