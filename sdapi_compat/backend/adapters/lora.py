"""LoRA (Hu et al. 2021, arXiv 2106.09685), and LoCon, its form for convolutions in LyCORIS."""

from __future__ import annotations

from torch import Tensor

from sdapi_compat.backend.adapters.tensors import Parts, fit, product, scale, tucker

NEEDS = (frozenset({"lora_up", "lora_down"}),)


def delta(parts: Parts, weight: Tensor, rank: int | None) -> Tensor:
    """s up @ down in the shape of `weight`; with a middle tensor s (core x up x down).

    A1111 1.10.1 behaviour: `rank` keeps up[:, :rank] and down[:rank], s is that of the full rank, and a
    layer with a middle tensor is never cut.
    """
    up, down = parts["lora_up"].flatten(1), parts["lora_down"].flatten(1)
    up = up * scale(parts, down.shape[0])
    if "lora_mid" in parts:
        values = tucker(up, parts["lora_mid"], down, weight)
    else:
        values = product(up[:, :rank], down[:rank], weight)
    return fit(values, weight)
