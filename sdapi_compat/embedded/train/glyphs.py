"""The pictures of Noto Color Emoji."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

FONT_FILE = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
#: The one bitmap size in the font, in pixels.
FONT_SIZE = 109
#: Wider than any one glyph of the font, in pixels: what is drawn wider is several glyphs.
WIDEST_GLYPH = 150
#: The code point that asks for the colourful form of a letter.
EMOJI_FORM = "\ufe0f"


def _drawn(glyph: str) -> Image.Image | None:
    font = ImageFont.truetype(str(FONT_FILE), FONT_SIZE)
    canvas = Image.new("RGBA", (400, 200), (0, 0, 0, 0))
    ImageDraw.Draw(canvas).text((20, 20), glyph + EMOJI_FORM, font=font, embedded_color=True)
    box = canvas.getbbox()
    return None if box is None else canvas.crop(box)


def can_draw(glyph: str) -> bool:
    """Whether the font has one picture for ``glyph``."""
    drawn = _drawn(glyph)
    return drawn is not None and drawn.width <= WIDEST_GLYPH


@lru_cache(maxsize=4096)
def glyph_image(glyph: str) -> Image.Image:
    """The glyph as the font has it: RGBA, cropped to its visible part (about 128x128)."""
    drawn = _drawn(glyph)
    if drawn is None:
        raise ValueError(f"the font draws nothing for {glyph!r}")
    return drawn
