"""Merged tokens against tomesd's own patch on diffusers' own blocks."""

from __future__ import annotations

import copy

import pytest
import tomesd
import torch
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor

from sdapi_compat.backend.token_merging import ARGUMENT, Merging, fit_blocks

CONTEXT = 8


@pytest.fixture
def unet() -> UNet2DConditionModel:
    """Attention at full and at half size."""
    torch.manual_seed(0)
    return UNet2DConditionModel(
        block_out_channels=(32, 32),
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=CONTEXT,
        attention_head_dim=2,
    ).eval()


@torch.no_grad()
def run(
    unet: UNet2DConditionModel, ratio: float = 0.0, shape: tuple[int, int] = (8, 8), rows: int = 2
) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(rows, 4, *shape, generator=generator)
    context = torch.randn(rows, 5, CONTEXT, generator=generator)
    arguments = {ARGUMENT: Merging(ratio, *shape)} if ratio else None
    time = torch.full((rows,), 500.0)
    sample: Tensor = unet(x, time, encoder_hidden_states=context, cross_attention_kwargs=arguments).sample
    return sample


def test_without_merging_nothing_changes(unet: UNet2DConditionModel) -> None:
    names, before = set(unet.state_dict()), run(unet)
    fit_blocks(unet)
    assert set(unet.state_dict()) == names
    assert not any(isinstance(module, BasicTransformerBlock) for module in unet.modules())
    assert torch.equal(run(unet), before)


@pytest.mark.parametrize("ratio", [0.01, 0.3, 0.5, 0.75, 0.9, 1.0])
@pytest.mark.parametrize("shape", [(8, 8), (6, 10), (7, 5)])
def test_the_result_is_tomesds(unet: UNet2DConditionModel, ratio: float, shape: tuple[int, int]) -> None:
    patched = tomesd.apply_patch(_own_classes(copy.deepcopy(unet)), ratio=ratio, use_rand=False)
    want = run(patched, shape=shape)
    fit_blocks(unet)
    torch.testing.assert_close(run(unet, ratio, shape), want, atol=1e-5, rtol=1e-4)
    if ratio >= 0.3:
        assert not torch.allclose(run(unet, shape=shape), want, atol=1e-4)


def _own_classes(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """tomesd 0.1.3 reads two attributes of older diffusers."""
    for block in unet.modules():
        if isinstance(block, BasicTransformerBlock):
            block.use_ada_layer_norm = block.use_ada_layer_norm_zero = False
            block.only_cross_attention = False
    return unet


def test_a_row_does_not_depend_on_the_others(unet: UNet2DConditionModel) -> None:
    fit_blocks(unet)
    generator = torch.Generator().manual_seed(2)
    x, context = torch.randn(3, 4, 8, 8, generator=generator), torch.randn(3, 5, CONTEXT, generator=generator)
    merging = {ARGUMENT: Merging(0.5, 8, 8)}
    with torch.no_grad():
        together = unet(x, 500.0, encoder_hidden_states=context, cross_attention_kwargs=merging).sample
        alone = unet(x[1:2], 500.0, encoder_hidden_states=context[1:2], cross_attention_kwargs=merging).sample
    torch.testing.assert_close(together[1:2], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("shape", [(1, 8), (8, 1), (1, 1)])
def test_latents_too_thin_for_squares_are_left_alone(shape: tuple[int, int]) -> None:
    tokens = torch.randn(1, shape[0] * shape[1], 3)
    merge, unmerge = Merging(0.5, *shape).steps(tokens)
    assert unmerge(merge(tokens)) is tokens


def test_smaller_layers_are_left_alone() -> None:
    tokens = torch.randn(1, 16, 3)
    assert Merging(0.5, 8, 8).steps(tokens)[0](tokens) is tokens


def test_tokens_get_fewer_and_come_back() -> None:
    tokens = torch.randn(2, 64, 3)
    merge, unmerge = Merging(0.5, 8, 8).steps(tokens)
    assert merge(tokens).shape == (2, 32, 3)
    assert unmerge(merge(tokens)).shape == tokens.shape
    assert Merging(1.0, 8, 8).steps(tokens)[0](tokens).shape == (2, 16, 3)
