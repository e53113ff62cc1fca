"""From the key of a tensor in an adapter file to the layer's name in the file and the part the tensor is."""

from __future__ import annotations

import re
from typing import NamedTuple


class Key(NamedTuple):
    """The layer as the file calls it, and the part ("lora_up", "alpha", ...)."""

    layer: str
    part: str


# sd-scripts and LyCORIS.
_PLAIN = (
    "hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2",
    "lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_t1", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2",
    "weight", "on_input", "diff", "diff_b", "w_norm", "b_norm", "oft_blocks", "oft_diag", "rescale",
    "alpha", "scale", "dora_scale",
)  # fmt: skip
_WITH_WEIGHT = ("lora_up", "lora_down", "lora_mid", "a1", "a2", "b1", "b2")
_PARTS = {
    **{part: part for part in _PLAIN},
    **{f"{part}.weight": part for part in _WITH_WEIGHT},
    # peft, with and without the name of the adapter.
    **{f"lora_A{adapter}.weight": "lora_down" for adapter in ("", ".default")},
    **{f"lora_B{adapter}.weight": "lora_up" for adapter in ("", ".default")},
    **{f"lora_magnitude_vector{end}": "magnitude" for end in ("", ".weight", ".default", ".default.weight")},
    # Older diffusers.
    **{f"lora.{side}.weight": f"lora_{side}" for side in ("up", "down")},
    **{f"lora_linear_layer.{side}.weight": f"lora_{side}" for side in ("up", "down")},
}
_MOST_WORDS = 3
_PROCESSOR = re.compile(
    r"(?P<attention>.+)\.processor\.to_(?P<which>q|k|v|out)_lora\.(?P<side>up|down)\.weight"
)


def split(key: str) -> Key | None:
    """The layer and part of a key; None for a key of no known style."""
    processor = _PROCESSOR.fullmatch(key)
    if processor is not None:
        which = processor["which"] + (".0" if processor["which"] == "out" else "")
        return Key(f"{processor['attention']}.to_{which}", f"lora_{processor['side']}")
    for words in range(_MOST_WORDS, 0, -1):
        layer, *end = key.rsplit(".", words)
        part = _PARTS.get(".".join(end))
        if part is not None:
            return Key(layer, part)
    return None
