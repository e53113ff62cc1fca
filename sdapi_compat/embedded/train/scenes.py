"""Seeded training scenes: one glyph on a background, and captions that tell what is in the picture."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from .vocabulary import COLOURS, Concept

FONT_FILE = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
#: The one bitmap size in the font, in pixels.
FONT_SIZE = 109

#: Range of the glyph's longer side as a share of a canvas of 512 pixels, per size word (None: no word).
SIZES: dict[str | None, tuple[float, float]] = {
    None: (0.50, 0.58),
    "small": (0.32, 0.40),
    "big": (0.68, 0.76),
}
#: A canvas n times as wide shows a glyph only n ** (1 - this) times as large in pixels: what the
#: U-Net learns about shapes on small latents, where training is cheap, then holds on larger ones.
SHRINKAGE = 0.75
#: Largest share of the canvas that a glyph takes.
LARGEST = 0.94
#: Centre of the glyph (x, y as shares of the canvas) per position word.
POSITIONS: dict[str, tuple[float, float]] = {
    "left": (0.25, 0.5),
    "right": (0.75, 0.5),
    "top": (0.5, 0.25),
    "bottom": (0.5, 0.75),
}
#: Shares of scenes whose size, or position, is named.
SIZE_SHARE, POSITION_SHARE = 0.04, 0.04
#: Largest random shift of the centre: more of it costs a short training its sharpness.
PLAY = 0.03
#: A glyph put aside must be small enough to stay in the picture.
ASIDE_SIZE = (0.38, 0.48)


@dataclass(frozen=True)
class Scene:
    """A picture's full description; lengths are shares of a canvas of 512 pixels, the angle is in degrees."""

    concept: Concept
    background: str | None
    size: str | None
    position: str | None
    rgb: tuple[int, int, int]
    scale: float
    centre: tuple[float, float]
    angle: float


@lru_cache(maxsize=512)
def glyph_image(glyph: str) -> Image.Image:
    """The glyph as the font has it: RGBA, cropped to its visible part (about 128x128)."""
    font = ImageFont.truetype(str(FONT_FILE), FONT_SIZE)
    canvas = Image.new("RGBA", (180, 180), (0, 0, 0, 0))
    ImageDraw.Draw(canvas).text((20, 20), glyph, font=font, embedded_color=True)
    box = canvas.getbbox()
    if box is None:
        raise ValueError(f"the font draws nothing for {glyph!r}")
    return canvas.crop(box)


def _tone(rng: random.Random, base: tuple[int, int, int], spread: int) -> tuple[int, int, int]:
    shift = rng.randint(-spread, spread)
    red, green, blue = (min(255, max(0, part + shift + rng.randint(-4, 4))) for part in base)
    return red, green, blue


def _background(rng: random.Random, name: str | None) -> tuple[int, int, int]:
    if name is not None:
        return _tone(rng, COLOURS[name], 3 if name == "white" else 14)
    if rng.random() < 0.6:
        return _tone(rng, COLOURS["white"], 4)
    tint = rng.choice(list(COLOURS.values()))
    share = rng.uniform(0.08, 0.25)
    red, green, blue = (round(255 * (1 - share) + part * share) for part in tint)
    return red, green, blue


def sample_scene(rng: random.Random, concepts: list[Concept]) -> Scene:
    """Draw a scene at random; what no word pins varies, so that seeds give different pictures."""
    concept = rng.choice(concepts)
    background = rng.choice(list(COLOURS)) if rng.random() < 0.5 else None
    size = rng.choice(["small", "big"]) if rng.random() < SIZE_SHARE else None
    position = rng.choice(list(POSITIONS)) if size is None and rng.random() < POSITION_SHARE else None
    scale = rng.uniform(*(ASIDE_SIZE if position else SIZES[size]))
    x, y = POSITIONS[position] if position else (0.5, 0.5)
    centre = (x + rng.uniform(-PLAY, PLAY), y + rng.uniform(-PLAY, PLAY))
    angle = max(-6.0, min(6.0, rng.gauss(0.0, 2.0)))
    return Scene(concept, background, size, position, _background(rng, background), scale, centre, angle)


def share_of(scene: Scene, pixels: int) -> float:
    """The glyph's longer side as a share of a canvas of ``pixels``; aside there is no room to grow."""
    if scene.position is not None:
        return scene.scale
    return min(LARGEST, scene.scale * math.pow(512 / pixels, SHRINKAGE))


def render(scene: Scene, pixels: int) -> Image.Image:
    """The scene as an RGB picture of ``pixels`` x ``pixels``."""
    glyph = glyph_image(scene.concept.glyph)
    factor = share_of(scene, pixels) * pixels / max(glyph.size)
    width, height = (max(1, round(side * factor)) for side in glyph.size)
    glyph = glyph.resize((width, height), Image.Resampling.BICUBIC)
    glyph = glyph.rotate(scene.angle, Image.Resampling.BICUBIC, expand=True)
    canvas = Image.new("RGB", (pixels, pixels), scene.rgb)
    left = round(scene.centre[0] * pixels - glyph.width / 2)
    top = round(scene.centre[1] * pixels - glyph.height / 2)
    canvas.paste(glyph, (left, top), glyph)
    return canvas
