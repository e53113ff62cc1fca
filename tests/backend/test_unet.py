from __future__ import annotations

import torch
import torch.nn.functional as F
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import nn

from sdapi_compat.backend.unet import DoublingUpsample, fit_upsamplers


def test_even_sizes_are_doubled_and_convolved() -> None:
    upsample = DoublingUpsample(nn.Conv2d(2, 2, 3, padding=1))
    x = torch.randn(1, 2, 3, 4)
    expected = upsample.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
    assert torch.equal(upsample(x), expected)
    assert torch.equal(upsample(x, (6, 8)), expected)


def test_odd_sizes_are_cut_after_the_convolution() -> None:
    upsample = DoublingUpsample(nn.Conv2d(2, 2, 3, padding=1))
    x = torch.randn(1, 2, 3, 4)
    assert torch.equal(upsample(x, (5, 7)), upsample(x)[:, :, :5, :7])


def test_a_unet_keeps_its_weights_and_its_results_at_even_sizes() -> None:
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        block_out_channels=(32, 32),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=8,
        attention_head_dim=2,
    ).eval()
    even, odd = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 9, 7)
    context, time = torch.randn(1, 5, 8), torch.tensor([500.0])

    def run(x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            sample: torch.Tensor = unet(x, time, encoder_hidden_states=context).sample
        return sample

    names, at_even, at_odd = set(unet.state_dict()), run(even), run(odd)
    fit_upsamplers(unet)
    assert set(unet.state_dict()) == names
    assert torch.equal(run(even), at_even)
    assert run(odd).shape == at_odd.shape
    assert not torch.allclose(run(odd), at_odd, atol=1e-5)
