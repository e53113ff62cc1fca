"""Token merging: self-attention over fewer tokens.

Bolya & Hoffman 2023, "Token Merging for Fast Stable Diffusion". Which tokens are alike is found by tomesd.
Its way of patching a model stays unused, because a patch is the same for every job. Here each forward brings
its own ratio along.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from tomesd.merge import bipartite_soft_matching_random2d
from torch import Tensor, nn

ARGUMENT = "token_merging"
"""Key of the UNet's cross_attention_kwargs under which a forward hands a `Merging` to its blocks."""

_STRIDE = 2
_KNOWN_NORM = "layer_norm"

Step = Callable[[Tensor], Tensor]


class Merging(NamedTuple):
    """The share of tokens to merge away, of latents that are `height` x `width` cells.

    A1111 1.10.1 behaviour: tokens are merged at the latents' full size only and without random choice; of
    each square of four cells at least one token stays, so a ratio over 0.75 acts like 0.75.
    """

    ratio: float
    height: int
    width: int

    def steps(self, tokens: Tensor) -> tuple[Step, Step]:
        """How to merge the tokens of a block, and how to give each of them its result back.

        `tokens`: (N, L, C), what the block gets; both steps take (N, any, any C) and rows never mix.
        """
        if tokens.shape[1] != self.height * self.width or min(self.height, self.width) < _STRIDE:
            return _unchanged, _unchanged
        merge, unmerge = bipartite_soft_matching_random2d(
            tokens, self.width, self.height, _STRIDE, _STRIDE, int(tokens.shape[1] * self.ratio), no_rand=True
        )
        return merge, unmerge


def _unchanged(tokens: Tensor) -> Tensor:
    return tokens


class MergingBlock(nn.Module):
    """A transformer block of Stable Diffusion's UNets, with the parts and the results of diffusers' own.

    Its self-attention sees merged tokens where the forward says so.
    """

    norm1: nn.Module
    attn1: nn.Module
    norm2: nn.Module
    attn2: nn.Module
    norm3: nn.Module
    ff: nn.Module

    def __init__(self, block: BasicTransformerBlock) -> None:
        super().__init__()
        for name, part in block.named_children():
            self.add_module(name, part)
        self._only_cross = bool(block.only_cross_attention)

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        encoder_hidden_states: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
        cross_attention_kwargs: Mapping[str, Any] | None = None,
        **_unused: Any,
    ) -> Tensor:
        """(N, L, C) to (N, L, C), with the context (N, M, D) in `encoder_hidden_states`."""
        extra = dict(cross_attention_kwargs or {})
        merging: Merging | None = extra.pop(ARGUMENT, None)
        merge, unmerge = (_unchanged, _unchanged) if merging is None else merging.steps(hidden_states)
        context = encoder_hidden_states if self._only_cross else None
        found = self.attn1(
            merge(self.norm1(hidden_states)),
            encoder_hidden_states=context,
            attention_mask=attention_mask,
            **extra,
        )
        hidden_states = unmerge(found) + hidden_states
        found = self.attn2(
            self.norm2(hidden_states),
            encoder_hidden_states=encoder_hidden_states,
            attention_mask=encoder_attention_mask,
            **extra,
        )
        hidden_states = found + hidden_states
        result: Tensor = self.ff(self.norm3(hidden_states)) + hidden_states
        return result


def fit_blocks(unet: UNet2DConditionModel) -> None:
    """Let a UNet's transformer blocks merge tokens; the weights and their names stay what they are."""
    for name, block in list(unet.named_modules()):
        if not isinstance(block, BasicTransformerBlock):
            continue
        if block.norm_type == _KNOWN_NORM and block.attn2 is not None:
            parent, _, index = name.rpartition(".")
            setattr(unet.get_submodule(parent), index, MergingBlock(block))
