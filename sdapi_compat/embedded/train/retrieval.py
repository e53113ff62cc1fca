"""Which glyph is in a picture, and on what background: plain image comparison, no learned part.

The score must not share anything with the model it judges. The background is the median of the frame's
pixels; what differs from it is cut out, brought to one size, and compared with every glyph treated alike.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from .vocabulary import COLOURS, concept_keys

#: All glyphs in table order, RGBA cells of :data:`CELL` pixels, :data:`COLUMNS` per row.
SHEET = Path(__file__).resolve().parent / "glyphs.png"
CELL, COLUMNS = 64, 16
#: Side of the normalised cut-out, in pixels.
SIDE = 24
#: Least Lab distance from the background at which a pixel belongs to the object.
CONTRAST = 18.0
#: Rotations of the glyphs that are compared, in degrees.
ANGLES = (-8.0, 0.0, 8.0)

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


@lru_cache(maxsize=1)
def glyph_cells() -> tuple[Image.Image, ...]:
    """The glyph of every concept in table order, RGBA, CELL x CELL."""
    sheet = Image.open(SHEET).convert("RGBA")
    boxes = [(CELL * (index % COLUMNS), CELL * (index // COLUMNS)) for index in range(len(concept_keys()))]
    return tuple(sheet.crop((left, top, left + CELL, top + CELL)) for left, top in boxes)


@lru_cache(maxsize=1)
def _turned_cells() -> list[Array]:
    turned = []
    for cell in glyph_cells():
        roomy = Image.new("RGBA", (CELL + 16, CELL + 16))
        roomy.paste(cell, (8, 8))
        for angle in ANGLES:
            small = roomy.rotate(angle, Image.Resampling.BICUBIC).resize((48, 48), Image.Resampling.BOX)
            turned.append(np.asarray(small, dtype=np.float32))
    return turned


def rank_concepts(picture: Image.Image) -> list[str]:
    """Keys of all concepts, the most similar to ``picture`` first."""
    small = picture.convert("RGB").resize((96, 96), Image.Resampling.BOX)
    # Specks on the background are no part of the object; they would widen the box it is cut out by.
    small = small.filter(ImageFilter.MedianFilter(5))
    background = background_rgb(small)
    found = cut_out(np.asarray(small), background)
    distances = []
    for cell in _turned_cells():
        alpha = cell[..., 3:] / 255.0
        placed = cell[..., :3] * alpha + background * (1 - alpha)
        distances.append(float(np.abs(cut_out(placed, background) - found).mean()))
    best = np.array(distances).reshape(-1, len(ANGLES)).min(axis=1)
    keys = concept_keys()
    return [keys[index] for index in np.argsort(best)]
