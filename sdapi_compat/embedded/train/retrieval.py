"""Which glyph is in a picture, and on what background: plain image comparison, no learned part.

The score must not share anything with the model it judges. The background is the median of the frame's
pixels; what differs from it is cut out, brought to one size, and compared with every glyph treated alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

from .glyphs import glyph_image
from .vocabulary import COLOURS, Concept, concept_keys

#: All glyphs in table order, RGBA cells of :data:`CELL` pixels, :data:`COLUMNS` per row.
SHEET = Path(__file__).resolve().parent / "glyphs.png"
CELL, COLUMNS = 64, 16
#: Side of the normalised cut-out, in pixels.
SIDE = 24
#: Least Lab distance from the background at which a pixel belongs to the object.
CONTRAST = 18.0
#: Pixels of the 96 x 96 that are left out on each side.
BORDER = 2
#: Rotations of the glyphs that are compared, in degrees.
ANGLES = (-6.0, 6.0)
#: How many of the glyphs that a coarse look finds near are compared well, and how many of those also turned.
NEAR, NEAREST = 120, 30

Array = NDArray[np.float32]


def to_lab(rgb: NDArray[np.generic]) -> Array:
    """CIE Lab (float32, same shape) of sRGB values 0..255 in the last axis."""
    share = np.asarray(rgb, dtype=np.float32) / 255.0
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    matrix = np.array(
        [[0.4339, 0.3762, 0.1899], [0.2126, 0.7152, 0.0722], [0.0177, 0.1095, 0.8728]], dtype=np.float32
    )
    xyz = linear @ matrix.T
    root = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = root[..., 0], root[..., 1], root[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1).astype(np.float32)


def background_rgb(picture: Image.Image) -> NDArray[np.float32]:
    """Median colour (3,), 0..255, of the picture's outermost 4 %."""
    pixels = np.asarray(picture.convert("RGB"), dtype=np.float32)
    width = max(1, round(0.04 * len(pixels)))
    inner = np.ones(pixels.shape[:2], dtype=bool)
    inner[width:-width, width:-width] = False
    return np.median(pixels[inner], axis=0).astype(np.float32)


def colour_name(rgb: NDArray[np.generic]) -> str:
    """The name in ``COLOURS`` nearest to ``rgb`` (3,) in Lab."""
    names = list(COLOURS)
    distances = np.linalg.norm(to_lab(np.array([COLOURS[name] for name in names])) - to_lab(rgb), axis=1)
    return names[int(distances.argmin())]


def colour_share(picture: Image.Image, name: str) -> float:
    """Share (0..1) of pixels whose nearest named colour is ``name``."""
    pixels = to_lab(np.asarray(picture.convert("RGB").resize((64, 64))).reshape(-1, 3))
    palette = to_lab(np.array(list(COLOURS.values())))
    nearest = np.linalg.norm(pixels[:, None] - palette[None], axis=2).argmin(axis=1)
    return float((nearest == list(COLOURS).index(name)).mean())


def _shrink(layer: Array) -> Image.Image:
    return Image.fromarray(layer).resize((SIDE, SIDE), Image.Resampling.BOX)


def object_mask(picture: Image.Image) -> NDArray[np.bool_]:
    """Where the picture, brought to 96 x 96, differs from its background."""
    small = picture.convert("RGB").resize((96, 96), Image.Resampling.BOX)
    contrast = to_lab(np.asarray(small)) - to_lab(background_rgb(small))
    mask: NDArray[np.bool_] = np.linalg.norm(contrast, axis=2) > CONTRAST
    return mask


def cut_out(pixels: NDArray[np.generic], background: NDArray[np.generic]) -> Array:
    """What differs from ``background`` in ``pixels`` (h, w, 3), as (SIDE, SIDE, 4): Lab contrast and mask."""
    contrast = to_lab(pixels) - to_lab(background)
    mask = (np.linalg.norm(contrast, axis=2) > CONTRAST).astype(np.float32)
    rows, columns = np.flatnonzero(mask.mean(axis=1) > 0.01), np.flatnonzero(mask.mean(axis=0) > 0.01)
    if len(rows) == 0 or len(columns) == 0:
        return np.zeros((SIDE, SIDE, 4), dtype=np.float32)
    stack = np.concatenate([contrast * mask[..., None], 60.0 * mask[..., None]], axis=2)
    stack = stack[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = stack.shape[:2]
    longer = max(height, width)
    square = np.zeros((longer, longer, 4), dtype=np.float32)
    top, left = (longer - height) // 2, (longer - width) // 2
    square[top : top + height, left : left + width] = stack
    layers = [_shrink(square[..., index]) for index in range(4)]
    return np.stack([np.asarray(layer, dtype=np.float32) for layer in layers], axis=2)


class Gallery:
    """The glyphs that a picture is compared with: keys, and RGBA cells of :data:`CELL` pixels, in order."""

    def __init__(self, keys: Sequence[str], cells: Sequence[Image.Image]) -> None:
        self.keys = tuple(keys)
        self._cells = cells
        self._turned: dict[tuple[int, float], Array] = {}
        self._outlined: Array | None = None

    def rank(self, picture: Image.Image) -> list[str]:
        """The keys, the most similar to ``picture`` first."""
        return [key for _, key in sorted(zip(self.distances(picture), self.keys, strict=True))]

    def distances(self, picture: Image.Image) -> list[float]:
        """How far ``picture`` is from each glyph on the same background: mean Lab difference, in order.

        Glyphs that a coarse look finds far away keep the coarse distance plus that of the farthest near one.
        """
        small = picture.convert("RGB").resize((96, 96), Image.Resampling.BOX)
        # Specks on the background are no part of the object; they would widen the box it is cut out by. The
        # filter leaves those at the border, where no object is.
        small = ImageOps.crop(small.filter(ImageFilter.MedianFilter(5)), BORDER)
        background = background_rgb(small)
        found = cut_out(np.asarray(small), background)
        coarse = self._coarse(found, background)
        near = [int(index) for index in np.argsort(coarse)[:NEAR]]

        def distance(index: int, angle: float) -> float:
            turned = self._cell(index, angle)
            alpha = turned[..., 3:] / 255.0
            placed = turned[..., :3] * alpha + background * (1 - alpha)
            return float(np.abs(cut_out(placed, background) - found).mean())

        upright = {index: distance(index, 0.0) for index in near}
        for index in sorted(near, key=upright.__getitem__)[:NEAREST]:
            upright[index] = min(upright[index], *(distance(index, angle) for angle in ANGLES))
        farthest = max(upright.values())
        return [upright.get(index, farthest + float(value)) for index, value in enumerate(coarse)]

    def _coarse(self, found: Array, background: NDArray[np.float32]) -> Array:
        """Distances (n,) to the glyphs cut out by their own outlines."""
        if self._outlined is None:
            self._outlined = np.stack([_outlined(cell) for cell in self._cells])
        alpha = self._outlined[..., 3:] / 255.0
        placed = self._outlined[..., :3] * alpha + background * (1 - alpha)
        contrast = to_lab(placed) - to_lab(background)
        glyphs = np.concatenate([contrast, 60.0 * alpha], axis=-1)
        distances: Array = np.abs(glyphs - found).mean(axis=(1, 2, 3))
        return distances

    def _cell(self, index: int, angle: float) -> Array:
        if (index, angle) not in self._turned:
            roomy = Image.new("RGBA", (CELL + 16, CELL + 16))
            roomy.paste(self._cells[index], (8, 8))
            small = roomy.rotate(angle, Image.Resampling.BICUBIC).resize((48, 48), Image.Resampling.BOX)
            self._turned[index, angle] = np.asarray(small, dtype=np.float32)
        return self._turned[index, angle]


def _outlined(cell: Image.Image) -> Array:
    """The cell's visible part in the middle of a square, as RGBA (SIDE, SIDE, 4) 0..255."""
    visible = cell.crop(cell.getchannel("A").getbbox())
    longer = max(visible.size)
    square = Image.new("RGBA", (longer, longer))
    square.paste(visible, ((longer - visible.width) // 2, (longer - visible.height) // 2))
    return np.asarray(square.resize((SIDE, SIDE), Image.Resampling.BOX), dtype=np.float32)


@lru_cache(maxsize=1)
def common_gallery() -> Gallery:
    """The concepts of the vocabulary's own table, from :data:`SHEET`: needs neither font nor CLDR."""
    sheet = Image.open(SHEET).convert("RGBA")
    keys = concept_keys()
    boxes = [(CELL * (index % COLUMNS), CELL * (index // COLUMNS)) for index in range(len(keys))]
    return Gallery(keys, [sheet.crop((left, top, left + CELL, top + CELL)) for left, top in boxes])


def cell_of(concept: Concept) -> Image.Image:
    """The concept's glyph, centred in a cell."""
    glyph = glyph_image(concept.glyph).copy()
    glyph.thumbnail((CELL, CELL), Image.Resampling.LANCZOS)
    cell = Image.new("RGBA", (CELL, CELL))
    cell.paste(glyph, ((CELL - glyph.width) // 2, (CELL - glyph.height) // 2))
    return cell


def full_gallery(concepts: list[Concept]) -> Gallery:
    """All ``concepts``, drawn with the font."""
    return Gallery([concept.key for concept in concepts], [cell_of(concept) for concept in concepts])
