"""The plan of a picture that the text encoder writes into its states: a code for each of sixteen parts.

The canvas is divided into a grid of :data:`GRID` x :data:`GRID` parts. A part's code is what its thumbnail
holds, in principal components. The state of token t carries the code of part t modulo 16, and says which part
that is; so any sixteen tokens after the words tell the whole picture, and the U-Net finds by attention what
belongs where.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .scenes import Scene, Topic, plain_scene, render, sample_topic
from .vocabulary import Concept

GRID = 4
PARTS = GRID * GRID
#: Side of the thumbnail of a whole picture, and of one part, in pixels.
SIDE = 64
PART_SIDE = SIDE // GRID
#: Numbers in a part's code.
CODE = 128
#: What a state says where it stands: ``MARK`` at the place of its part among the sixteen, else 0.
MARK = 2.0
#: Channels of a state with a meaning: the code, then the sixteen marks, then whether the words have ended:
#: ``MARK`` after them, 0 before. The first state stands for no part: code and marks 0, and here -``MARK``.
PLANNED = CODE + PARTS + 1


def thumbnail(scene: Scene) -> Tensor:
    """The scene in small: (SIDE * SIDE * 3,) in -1..1, part after part."""
    picture = np.asarray(render(scene, 2 * SIDE).resize((SIDE, SIDE), Image.Resampling.BOX), dtype=np.float32)
    parts = picture.reshape(GRID, PART_SIDE, GRID, PART_SIDE, 3).transpose(0, 2, 1, 3, 4)
    return torch.from_numpy(np.ascontiguousarray(parts).reshape(PARTS, -1)) / 127.5 - 1.0


@dataclass(frozen=True)
class PartCode:
    """The principal components of parts: mean (768,), axes (768, CODE), and the factor to unit variance."""

    mean: Tensor
    axes: Tensor
    scale: float

    @staticmethod
    def fitted(concepts: list[Concept], samples: int = 6000) -> PartCode:
        """The components of the parts of ``samples`` random plain scenes."""
        rng = random.Random(17)
        parts = torch.cat([thumbnail(plain_scene(sample_topic(rng, concepts))) for _ in range(samples)])
        mean = parts.mean(0)
        centred = parts - mean
        _, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
        axes = vectors.flip(1)[:, :CODE].contiguous()
        return PartCode(mean, axes, 1.0 / float((centred @ axes).std()))

    @staticmethod
    def loaded(file: Path, concepts: list[Concept]) -> PartCode:
        """The components kept in ``file``, which is written if it is missing."""
        if not file.exists():
            code = PartCode.fitted(concepts)
            torch.save({"mean": code.mean, "axes": code.axes, "scale": code.scale}, file)
        return PartCode(**torch.load(file, weights_only=True))

    def encode(self, parts: Tensor) -> Tensor:
        """Codes (..., CODE) of parts (..., 768)."""
        return (parts - self.mean) @ self.axes * self.scale

    def decode(self, codes: Tensor) -> Tensor:
        """Parts (..., 768) in -1..1 from their codes."""
        return codes @ self.axes.T / self.scale + self.mean


def to_picture(parts: Tensor) -> Image.Image:
    """The thumbnail of which these are the parts (PARTS, 768)."""
    pixels = parts.reshape(GRID, GRID, PART_SIDE, PART_SIDE, 3).permute(0, 2, 1, 3, 4).reshape(SIDE, SIDE, 3)
    return Image.fromarray(((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy())


def planned_code(code: PartCode, topic: Topic) -> Tensor:
    """The codes (PARTS, CODE) of what ``topic`` asks for."""
    return code.encode(thumbnail(plain_scene(topic)))


def signs(ended: Tensor) -> Tensor:
    """Marks and end (n, tokens, PARTS + 1) of states; ``ended`` (n, tokens) is 1 after the words, else 0."""
    places = torch.arange(ended.shape[1])
    marked = MARK * torch.eye(PARTS)[places % PARTS]
    found = torch.cat([marked.expand(len(ended), -1, -1), MARK * ended[..., None]], dim=2)
    found[:, 0] = 0.0
    found[:, 0, PARTS] = -MARK
    return found


def planned_states(plans: Tensor, first: Tensor, length: int, width: int) -> Tensor:
    """States (n, length, width) as a perfect text encoder would give them for ``plans`` (n, PARTS, CODE).

    Before token ``first`` (n,), at least 1, nothing is known but which part each token stands for.
    """
    places = torch.arange(length)
    known = (places >= first[:, None]).float()
    states = torch.zeros(len(plans), length, width)
    states[..., :CODE] = plans[:, places % PARTS] * known[..., None]
    states[..., CODE:PLANNED] = signs(known)
    return states
