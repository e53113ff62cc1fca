"""Convolutions on the CPU whose weights stay in the layout that oneDNN computes with.

`nn.Conv2d` puts its weights in that layout anew at every call, which for small models takes a seventh of a
step at 512 x 512 and a quarter at 64 x 64. The two operators here are those that torch.compile uses for the
same purpose; they need no compiler.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

MOST_BYTES = 256 * 2**20
"""Of weights that are kept twice. In larger models the layout matters less and the memory more."""


class _Packed(NamedTuple):
    """Weights in oneDNN's layout, and what they were made of, which `held` keeps from being overwritten."""

    held: Tensor
    version: int
    size: torch.Size
    weight: Tensor


class PackedConv2d(nn.Conv2d):
    """An nn.Conv2d of float32 on the CPU that packs its weights when they or the picture's size change."""

    _packed: _Packed | None = None

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if self.padding_mode != "zeros" or torch.is_grad_enabled() or input.dtype != torch.float32:
            usual: Tensor = super()._conv_forward(input, weight, bias)
            return usual
        shape = (self.padding, self.stride, self.dilation, self.groups)
        packed = self._fitting(input, weight, shape)
        done: Tensor = torch.ops.mkldnn._convolution_pointwise(input, packed, bias, *shape, "none", [], "")
        return done

    def _fitting(self, picture: Tensor, weight: Tensor, shape: tuple[Any, ...]) -> Tensor:
        found, size = self._packed, picture.shape[2:]
        if (
            found is None
            or found.size != size
            or found.held.data_ptr() != weight.data_ptr()
            or found.version != weight._version
        ):
            made = torch.ops.mkldnn._reorder_convolution_weight(weight.detach(), *shape, list(picture.shape))
            found = self._packed = _Packed(weight.detach(), weight._version, size, made)
        return found.weight


def pack_convolutions(model: nn.Module) -> None:
    """Make the convolutions of a model on the CPU packed ones, unless they are too large for that."""
    convolutions = [module for module in model.modules() if type(module) is nn.Conv2d]
    size = sum(module.weight.nbytes for module in convolutions)
    # Builds without oneDNN, as for some ARM machines, lack the operators.
    available = hasattr(torch.ops.mkldnn, "_convolution_pointwise")
    if not available or size > MOST_BYTES:
        return
    for module in convolutions:
        module.__class__ = PackedConv2d
