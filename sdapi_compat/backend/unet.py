"""Construction details of the UNet in which diffusers and the original differ."""

from __future__ import annotations

import torch.nn.functional as F
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn


class DoublingUpsample(nn.Module):
    """Doubles, convolves, then fits the skip connection's size.

    A1111 1.10.1 behaviour: latents with an odd side are doubled and convolved at full size and cut to the
    skip connection afterwards; diffusers resizes first, which changes the last row and column.
    """

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, hidden_states: Tensor, output_size: tuple[int, int] | None = None) -> Tensor:
        """(N, C, h, w) to (N, C, 2 h, 2 w), or to (N, C, *output_size)."""
        doubled = F.interpolate(hidden_states, scale_factor=2.0, mode="nearest")
        convolved: Tensor = self.conv(doubled)
        if output_size is None or tuple(convolved.shape[-2:]) == tuple(output_size):
            return convolved
        return F.interpolate(convolved, size=tuple(output_size), mode="nearest")


def fit_upsamplers(unet: UNet2DConditionModel) -> None:
    """Give every up block of a UNet the original's upsampling; the weights stay the same tensors."""
    for name, module in list(unet.up_blocks.named_modules()):
        if isinstance(module, Upsample2D):
            block_name, _, index = name.rpartition(".")
            siblings = unet.up_blocks.get_submodule(block_name)
            setattr(siblings, index, DoublingUpsample(module.get_submodule("conv")))
