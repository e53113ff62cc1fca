from __future__ import annotations

import pytest

from sdapi_compat.backend.adapters.keys import split

LAYER = "lora_unet_mid_block_attentions_0_proj_in"
PEFT = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1"


@pytest.mark.parametrize(
    ("key", "layer", "part"),
    [
        (f"{LAYER}.lora_up.weight", LAYER, "lora_up"),
        (f"{LAYER}.lora_down.weight", LAYER, "lora_down"),
        (f"{LAYER}.lora_mid.weight", LAYER, "lora_mid"),
        (f"{LAYER}.alpha", LAYER, "alpha"),
        (f"{LAYER}.hada_w1_a", LAYER, "hada_w1_a"),
        (f"{LAYER}.lokr_w2", LAYER, "lokr_w2"),
        (f"{LAYER}.a1.weight", LAYER, "a1"),
        (f"{LAYER}.weight", LAYER, "weight"),
        (f"{LAYER}.oft_blocks", LAYER, "oft_blocks"),
        (f"{LAYER}.dora_scale", LAYER, "dora_scale"),
        (f"{PEFT}.to_q.lora_A.weight", f"{PEFT}.to_q", "lora_down"),
        (f"{PEFT}.to_q.lora_B.default.weight", f"{PEFT}.to_q", "lora_up"),
        (f"{PEFT}.to_q.lora_magnitude_vector", f"{PEFT}.to_q", "magnitude"),
        (f"{PEFT}.to_q.lora_magnitude_vector.default.weight", f"{PEFT}.to_q", "magnitude"),
        (f"{PEFT}.to_q.alpha", f"{PEFT}.to_q", "alpha"),
        (f"{PEFT}.to_out.0.lora.down.weight", f"{PEFT}.to_out.0", "lora_down"),
        (f"{PEFT}.processor.to_k_lora.up.weight", f"{PEFT}.to_k", "lora_up"),
        (f"{PEFT}.processor.to_out_lora.down.weight", f"{PEFT}.to_out.0", "lora_down"),
        ("text_encoder.x.q_proj.lora_linear_layer.up.weight", "text_encoder.x.q_proj", "lora_up"),
        ("x.lora_A.weight", "x", "lora_down"),
    ],
)
def test_styles(key: str, layer: str, part: str) -> None:
    assert split(key) == (layer, part)


@pytest.mark.parametrize(
    "key", ["", "weight", "alpha", ".", "lora_up.weight.x", f"{LAYER}.lora_down.bias", "a.b.c.d"]
)
def test_no_style(key: str) -> None:
    assert split(key) is None
