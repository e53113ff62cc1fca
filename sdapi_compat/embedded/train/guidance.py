"""Where the U-Net's attention to the plan looks: given at the start, then taught.

What a cell of the picture should show stands in the state of its own part of the plan (:mod:`.layout`).
Each head of a text attention serves one piece, a sixteenth, of all parts: for a cell that shows this piece of
its part it reads from the part's state what the piece holds; for other cells it looks at the first state,
which says nothing. So a cell is told just its own pieces of the plan.

From one level to the next larger one a U-Net repeats each cell two by two and convolves, which cannot tell
the four apart where neighbours are alike. So on the 32 x 32 level, too, cells are told what to show: four
attentions to the text are there and none of cells to each other, and the heads of each serve one quarter of
the pieces: they read how it differs from the whole piece.

What states offer (keys) and what heads read (values) follows from the plan's layout, so it is written
into the weights before training. What a cell asks for (queries) must be learned, for a U-Net knows places
only by what the edges' padding does to its features; heads are rewarded for looking at the right states
while it learns (as the guided attention of "Efficiently Trainable Text-to-Speech System Based on Deep
Convolutional Networks with Guided Attention", Tachibana et al., 2017).
"""

from __future__ import annotations

from functools import cache
from math import log2
from typing import Any

import torch
from torch import Tensor

from .layout import CODE, GRID, PART_SIDE, PARTS, PartCode
from .parts import Unet

#: A part has SPLIT x SPLIT pieces, and every text attention a head for each.
SPLIT = 4
HEADS = SPLIT * SPLIT
#: Quarters of a piece along a side. The fine attentions, as many as quarters, serve one each.
HALVES = 2
#: On the lowest level a cell shows this many pieces along a side: they must not be written over each other.
NEIGHBOURS = 2
#: From this value of the state's sign on, the words have ended and the state tells the whole plan.
ENDED = 1.0
#: How strong the keys are at first: a query of length 1 can tell parts apart.
KEY_GAIN = 4.0
#: Smaller shares of attention count as this one: logarithms must stay finite.
LEAST_SHARE = 1e-20
#: Of so many samples one is asked where it looks.
JUDGED = 4
#: How strong what is read is at first, beside what the cell holds already.
READ_GAIN = 0.5
#: How much stronger quarters are read: they differ little from their pieces.
DETAIL_GAIN = 3.0


def _shown(cells: int, square: int, pieces: int) -> Tensor:
    """Which of the ``pieces`` along a side each cell shows: (cells, pieces) of bool.

    The plan lies in the middle ``square`` cells; those beyond show what the outermost of them do.
    """
    size = pieces / square
    place = (torch.arange(cells) - (cells - square) / 2).clamp(0, square - 1)
    cell, piece = place[:, None] * size, torch.arange(pieces)
    inside = (piece <= cell + size / 2) & (cell + size / 2 < piece + 1)
    covered = (cell <= piece + 0.5) & (piece + 0.5 < cell + size)
    return inside | covered


@cache
def right_parts(height: int, width: int, quarter: int | None = None) -> Tensor:
    """Which part each cell's heads should look at: (HEADS, height * width, PARTS) of bool; none: no part.

    With ``quarter`` (0..3, row by row) heads serve only that quarter of their pieces.
    """
    square = min(height, width)
    halves, chosen = (1, (0, 0)) if quarter is None else (HALVES, divmod(quarter, HALVES))
    rows, columns = (
        _shown(cells, square, GRID * SPLIT * halves).view(cells, GRID, SPLIT, halves)[..., half]
        for cells, half in zip((height, width), chosen, strict=True)
    )
    both = rows[:, None, :, None, :, None] & columns[None, :, None, :, None, :]
    return both.permute(4, 5, 0, 1, 2, 3).reshape(HEADS, height * width, PARTS)


def plain_attention(attn: Any, cells: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
    """What attention makes of ``cells`` (n, cells, c), and its looks (n, heads, cells, tokens) at ``states``.

    Heads this narrow cost PyTorch's fused attention more than half the time of a training step.
    """
    count = len(cells)
    query, key, value = (
        part.view(count, -1, attn.heads, part.shape[-1] // attn.heads).transpose(1, 2)
        for part in (attn.to_q(cells), attn.to_k(states), attn.to_v(states))
    )
    looks = torch.matmul(query * attn.scale, key.transpose(2, 3)).softmax(dim=3)
    mixed = torch.matmul(looks, value).transpose(1, 2).reshape(count, cells.shape[1], -1)
    output: Tensor = attn.to_out[0](mixed)
    return output, looks


class PlainAttention:
    """An attention processor of diffusers: :func:`plain_attention`."""

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        *_: Any,
        **__: Any,
    ) -> Tensor:
        """Attention of ``hidden_states`` (n, cells, c) to ``encoder_hidden_states``, or to themselves."""
        states = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        return plain_attention(attn, hidden_states, states)[0]


class Looks:
    """How far the heads of a U-Net's guided attentions look elsewhere.

    ``misses`` holds, after a forward with gradients, minus the log of the attention on the right states, for
    every guided attention, in one of :data:`JUDGED` samples.
    """

    def __init__(self) -> None:
        self.latent_shape: tuple[int, int] = (1, 1)
        self.misses: list[Tensor] = []

    def begin(self, latents: Tensor) -> None:
        """Forget all misses; from now on ``latents`` (n, c, h, w) are looked at."""
        height, width = latents.shape[2:]
        self.latent_shape = (height, width)
        self.misses.clear()


class GuidedAttention:
    """An attention processor of diffusers that tells ``noted`` where the heads look.

    ``quarter``: which of the quarters of their pieces its heads serve; None: all.
    """

    def __init__(self, noted: Looks, quarter: int | None = None) -> None:
        self._noted = noted
        self._quarter = quarter

    def __call__(
        self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor, *_: Any, **__: Any
    ) -> Tensor:
        """Attention of ``hidden_states`` (n, cells, c) to ``encoder_hidden_states`` (n, tokens, width)."""
        output, looks = plain_attention(attn, hidden_states, encoder_hidden_states)
        if torch.is_grad_enabled():
            first = int(torch.randint(min(JUDGED, len(looks)), ()))
            chosen = slice(first, None, JUDGED)
            miss = self.miss(looks[chosen].float(), encoder_hidden_states[chosen], hidden_states.shape[1])
            self._noted.misses.append(miss)
        return output

    def miss(self, looks: Tensor, states: Tensor, cells: int) -> Tensor:
        """Minus the mean log of the share of ``looks`` (n, heads, cells, tokens) at the right ``states``."""
        height, width = self._noted.latent_shape
        step = round((height * width / cells) ** 0.5)
        parts = right_parts(height // step, width // step, self._quarter)
        ended = states[..., CODE + PARTS] > ENDED
        tokens = torch.arange(states.shape[1])
        right = parts[:, :, tokens % PARTS] & ended[:, None, None]
        nowhere = ~parts.any(2, keepdim=True) & (tokens == 0)
        share = (looks * (right | nowhere)).sum(3).clamp_min(LEAST_SHARE)
        # Captions that ask for nothing have no plan to look at.
        asked = (states[..., :CODE] * ended[..., None]).abs().amax(dim=(1, 2)) > 0.05
        return -(share.log() * asked[:, None, None] * _balance(parts.any(2))).mean()


def _balance(told: Tensor) -> Tensor:
    """Weights of mean 1 by which cells that a head tells something count as much as all others together.

    Else heads that serve few cells would learn to look nowhere at all.
    """
    share = told.float().mean()
    return torch.where(told, 0.5 / share, 0.5 / (1 - share)) if share < 1 else torch.ones(told.shape)


def text_attentions(unet: Unet) -> dict[str, tuple[Any, int | None]]:
    """The attentions of ``unet`` to the text, by name, each with the quarter that its heads serve.

    Those of a level without attention of cells to each other serve quarters, in their order.
    """
    found = {
        name: module for name, module in unet.named_modules() if getattr(module, "is_cross_attention", False)
    }
    fine = [name for name in found if f"{name[:-1]}1" in found]
    return {name: (module, fine.index(name) if name in fine else None) for name, module in found.items()}


def guide(unet: Unet) -> Looks:
    """Let the text attentions of ``unet`` that can know their places note where they look.

    They are those on the way up; further down, the padding at the edges has reached too few cells. All other
    attentions become plain ones.
    """
    looks, plain = Looks(), PlainAttention()
    processors: dict[str, Any] = dict.fromkeys(unet.attn_processors, plain)
    for name, (_, quarter) in text_attentions(unet).items():
        if name.startswith("up_blocks"):
            processors[f"{name}.processor"] = GuidedAttention(looks, quarter)
    unet.set_attn_processor(processors)
    return looks


def pieces_of(code: PartCode, quarter: int | None = None) -> Tensor:
    """What a part's code says of its pieces' pixels: (HEADS, pixels of a piece * 3, CODE).

    With ``quarter`` (0..3, row by row): how the pixels of that quarter of each piece differ from the mean of
    the piece, which the larger cells are told.
    """
    side = PART_SIDE // SPLIT
    pixels = code.axes.view(SPLIT, side, SPLIT, side, 3, CODE).transpose(1, 2)
    if quarter is not None:
        half = side // HALVES
        row, column = (half * place for place in divmod(quarter, HALVES))
        mean = pixels.mean(dim=(2, 3), keepdim=True)
        pixels = pixels[:, :, row : row + half, column : column + half] - mean
    return pixels.reshape(HEADS, -1, CODE) / code.scale


def part_names(channels: int) -> Tensor:
    """Keys (channels, PARTS + 1) by which heads tell parts, from their marks, and ended words from others.

    Parts have their numbers in binary: few channels are enough. Fewer still hold their places, and half the
    square of the distance from the middle: the nearest place has the strongest key.
    """
    names = torch.zeros(channels, PARTS + 1)
    digits = int(log2(PARTS))
    if channels > digits:
        bits = torch.arange(PARTS) >> torch.arange(digits)[:, None] & 1
        names[:digits, :PARTS] = 2.0 * bits - 1.0
        names[digits, PARTS] = 1.0
        return names
    places = torch.stack([torch.arange(PARTS) // GRID, torch.arange(PARTS) % GRID]) - (GRID - 1) / 2
    names[:2, :PARTS] = places
    names[2, :PARTS] = -places.square().sum(0) / 2
    # More than the farthest place loses.
    names[2, PARTS] = float(GRID)
    return names


def teach_reading(unet: Unet, code: PartCode) -> None:
    """Write into every text attention of ``unet`` what states offer and what its heads read.

    A head reads as many principal components of its piece as it has channels.
    """
    generator = torch.Generator().manual_seed(43)
    head = torch.arange(HEADS)
    place = head // SPLIT % NEIGHBOURS * NEIGHBOURS + head % SPLIT % NEIGHBOURS
    for attention, quarter in text_attentions(unet).values():
        pieces = pieces_of(code, quarter)
        axes = torch.linalg.eigh(torch.einsum("hpc,hqc->pq", pieces, pieces))[1].flip(1)
        channels, width = attention.to_v.weight.shape
        wide = channels // HEADS
        read = torch.zeros(HEADS, wide, width)
        read[:, :, :CODE] = axes[:, :wide].T @ pieces * (1.0 if quarter is None else DETAIL_GAIN)
        offered = torch.zeros(HEADS, wide, width)
        offered[:, :, CODE : CODE + PARTS + 1] = KEY_GAIN * part_names(wide)
        free = torch.linalg.qr(torch.randn(channels, NEIGHBOURS**2 * wide, generator=generator))[0]
        where = place if quarter is None else torch.full_like(place, quarter)
        written = free.view(channels, NEIGHBOURS**2, wide)[:, where]
        with torch.no_grad():
            attention.to_k.weight.copy_(offered.view(channels, width))
            attention.to_v.weight.copy_(read.view(channels, width))
            attention.to_out[0].weight.copy_(READ_GAIN * written.reshape(channels, channels))
            attention.to_out[0].bias.zero_()
            attention.to_q.weight.mul_(0.1)
