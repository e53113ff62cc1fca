"""DoRA: magnitude and direction of the weight apart (Liu et al. 2024, arXiv 2402.09353)."""

from __future__ import annotations

import torch
from torch import Tensor

from sdapi_compat.backend.adapters.tensors import Parts
from sdapi_compat.backend.headers import BadWeightFile

_INPUTS, _OUTPUTS = 1, 0


def decomposed(parts: Parts, weight: Tensor, delta: Tensor) -> Tensor:
    """`delta` as it is without magnitudes; with them (W + delta) magnitude / n - W.

    A1111 1.10.1 behaviour: with `dora_scale` n is the norm over every dimension but the second, the input
    channels, also for files whose magnitudes belong to the outputs. The magnitudes peft saves
    ("lora_magnitude_vector"), which the original does not read, belong to the outputs, and so does n.
    """
    if "dora_scale" in parts:
        return _decomposed(weight, delta, parts["dora_scale"], _INPUTS)
    if "magnitude" in parts:
        magnitude = parts["magnitude"].reshape(-1, *[1] * (weight.ndim - 1))
        return _decomposed(weight, delta, magnitude, _OUTPUTS)
    return delta


def _decomposed(weight: Tensor, delta: Tensor, magnitude: Tensor, kept: int) -> Tensor:
    sizes = zip(reversed(magnitude.shape), reversed(weight.shape), strict=False)
    if magnitude.ndim > weight.ndim or any(got not in (1, wanted) for got, wanted in sizes):
        raise BadWeightFile(
            f"Expected magnitudes for the shape {list(weight.shape)}, got {list(magnitude.shape)}"
        )
    merged = weight + delta
    summed = [dimension for dimension in range(weight.ndim) if dimension != kept]
    norm: Tensor = torch.linalg.vector_norm(merged, dim=summed, keepdim=True)
    # A channel of zeros stays zero.
    return merged / norm.clamp_min(torch.finfo(norm.dtype).tiny) * magnitude - weight
