"""Give channels of text attentions that carry next to nothing to components of the plan that no head reads.

Heads begin with the strongest components of their pieces (:mod:`.guidance`). Training turns what they read a
little, but does not lead two attentions to different components: of an earlier model's six and six channels
on the 16 x 16 level three each did nearly all, and what no head read was half of the pictures' error. Here
the directions that count are kept to the letter, and the rest read the strongest of what is left, at first
without any effect.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from .captions import caption
from .diffusion import Trainer, is_hidden
from .guidance import HEADS, pieces_of
from .layout import CODE, PARTS, PartCode
from .optimizer import HiddenOptimizer
from .scenes import sample_topic
from .text import encode_captions
from .vocabulary import Concept

#: Channels of each head that are renewed, by text attention, level by level. Those of other blocks look in
#: too many places to read anything: the padding tells their cells too little about where they are.
RENEWED = (
    {"up_blocks.0.attentions.1": 4},
    {"up_blocks.1.attentions.0": 2, "up_blocks.1.attentions.1": 3},
)
#: Root of the mean square of what a renewed channel reads.
STRENGTH = 0.7
CAPTIONS, BATCH = 600, 60
#: Directions weaker than this share of the strongest count as not read.
LEAST = 1e-6


def code_moment(trainer: Trainer, concepts: list[Concept]) -> Tensor:
    """Second moment (CODE, CODE) of the codes in the text encoder's states, of random captions."""
    rng = random.Random(1)
    moment = torch.zeros(CODE, CODE, dtype=torch.float64)
    for _ in range(CAPTIONS // BATCH):
        captions = [caption(rng, sample_topic(rng, concepts)) for _ in range(BATCH)]
        with torch.no_grad():
            states = encode_captions(trainer.tokenizer, trainer.encoder, captions)
        codes = states[:, -PARTS:, :CODE].reshape(-1, CODE).double()
        moment += codes.T @ codes / len(codes)
    return moment / (CAPTIONS // BATCH)


def left_unread(read: Tensor, piece: Tensor, moment: Tensor) -> Tensor:
    """Second moment (pixels, pixels) of what ``read`` (channels, CODE) does not tell, by any linear map, of
    ``piece`` (pixels, CODE)."""
    told, strength = piece @ moment @ read.T, read @ moment @ read.T
    values, vectors = torch.linalg.eigh(strength)
    strong = values > values.max() * LEAST
    inverse = (vectors[:, strong] / values[strong]) @ vectors[:, strong].T
    left: Tensor = piece @ moment @ piece.T - told @ inverse @ told.T
    return left


@dataclass(frozen=True)
class Heads:
    """What a text attention's heads read (HEADS, wide, width) and write (HEADS, channels, wide)."""

    read: Tensor
    written: Tensor

    @staticmethod
    def of(weights: dict[str, Tensor], name: str) -> Heads:
        """Those of the attention ``name``, in float64."""
        read, written = (weights[key].double() for key in _keys(name))
        channels, width = len(written), read.shape[1]
        return Heads(read.view(HEADS, -1, width), written.view(channels, HEADS, -1).transpose(0, 1))

    def weights(self, name: str) -> dict[str, Tensor]:
        """The weights of the attention ``name`` that has these heads."""
        matrices = self.read.flatten(0, 1), self.written.transpose(0, 1).flatten(1)
        return {key: matrix.float() for key, matrix in zip(_keys(name), matrices, strict=True)}

    def sorted(self, root: Tensor) -> Heads:
        """Heads of the same effect whose first channels have the most of it; ``root`` is of the moment."""
        effect = self.written @ self.read[..., :CODE] @ root
        directions = torch.linalg.svd(effect, full_matrices=False).U[..., : self.read.shape[1]]
        return Heads(directions.mT @ self.written @ self.read, directions)


def _keys(name: str) -> tuple[str, str]:
    begin = f"{name}.transformer_blocks.0.attn2"
    return f"{begin}.to_v.weight", f"{begin}.to_out.0.weight"


def renewed(weights: dict[str, Tensor], code: PartCode, moment: Tensor) -> dict[str, Tensor]:
    """Those of a U-Net's ``weights`` that change, by name; ``moment`` (CODE, CODE) is of plans' codes."""
    root = torch.linalg.cholesky(moment + 1e-9 * torch.eye(CODE, dtype=moment.dtype))
    changed: dict[str, Tensor] = {}
    for level in RENEWED:
        found = {name: Heads.of(weights, name).sorted(root) for name in level}
        for head, piece in enumerate(pieces_of(code).double()):
            kept = torch.cat([found[name].read[head, :-count, :CODE] for name, count in level.items()])
            unread = left_unread(kept, piece, moment)
            strongest = torch.linalg.eigh(unread).eigenvectors.flip(1).T @ piece
            for name, count in level.items():
                new, strongest = strongest[:count], strongest[count:]
                strength = (new @ moment @ new.T).diagonal().clamp_min(1e-12).sqrt()
                found[name].read[head, -count:] = 0.0
                found[name].read[head, -count:, :CODE] = STRENGTH * new / strength[:, None]
                found[name].written[head, :, -count:] = 0.0
        for name, heads in found.items():
            changed |= heads.weights(name)
    return changed


def renew(work: Path, concepts: list[Concept]) -> Path:
    """Do so in the averaged weights of the training in ``work``, which go on with a new optimizer.

    Returns the file of that state.
    """
    trainer = Trainer(work, concepts)
    trainer.average |= renewed(trainer.average, trainer.code, code_moment(trainer, concepts))
    trainer.unet.load_state_dict(trainer.average)
    trainer.optimizer = HiddenOptimizer(trainer.unet, is_hidden)
    trainer.save()
    return trainer.path
