"""The contact sheet of the documentation: ``python -m sdapi_compat.embedded.train.sheet``.

48 prompts, drawn by a server through its own HTTP API, with the prompt under each picture. The server is
started for it, with this package's checkpoint, unless ``--url`` names one that runs.
"""

from __future__ import annotations

import argparse
import contextlib
import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from .server import ROOT, draw, serving

TARGET = ROOT / "docs" / "images" / "embedded.jpg"
PROMPTS = (
    "cat", "maltese puppy", "puppy dog", "a beautiful sunset over the mountains",
    "a red apple on a blue background", "two hearts", "small yellow star in the corner",
    "a dog next to a tree", "owl", "octopus", "unicorn", "dragon", "pizza",
    "birthday cake on a pink background", "guitar on a green background", "bicycle",
    "a rocket on a black background", "a house and a car", "three bananas", "a teacher",
    "grinning face", "crying face on a blue background", "money bag", "nine o'clock",
    "a snowman, masterpiece, 8k", "pumpkin", "ghost on an orange background", "a cute robot",
    "crown on a purple background", "umbrella", "four mushrooms", "a huge pineapple",
    "a small frog at the bottom", "the moon above a volcano", "a fish on a blue background",
    "butterfly", "camera", "light bulb on a black background", "a cup of coffee on a brown background",
    "chess pawn", "sauropod", "printer", "camel", "an old castle", "two cherries", "watermelon",
    "a bus under a rainbow", "kite on a white background",
)  # fmt: skip
COLUMNS = 8
#: Side of a picture on the sheet, height of its caption, and the gap between pictures, in pixels.
SIDE, CAPTION, GAP = 144, 28, 6
#: What every request asks for besides its prompt.
REQUEST = {"seed": 1, "steps": 20, "width": 512, "height": 512}
QUALITY = 88
LARGEST_BYTES = 600_000


def lines_of(text: str, width: int, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> list[str]:
    """``text`` broken into lines of at most ``width`` pixels; a longer word stays whole."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def compose(pictures: Sequence[Image.Image], captions: Sequence[str]) -> Image.Image:
    """All pictures in rows of :data:`COLUMNS`, each with its caption below it."""
    rows = -(-len(pictures) // COLUMNS)
    cell = SIDE + CAPTION + GAP
    sheet = Image.new("RGB", (COLUMNS * (SIDE + GAP) + GAP, rows * cell + GAP), "white")
    drawing = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=10)
    for index, (picture, text) in enumerate(zip(pictures, captions, strict=True)):
        left = GAP + index % COLUMNS * (SIDE + GAP)
        top = GAP + index // COLUMNS * cell
        sheet.paste(picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS), (left, top))
        written = "\n".join(lines_of(text, SIDE, font)[:2])
        drawing.multiline_text((left, top + SIDE + 2), written, fill="black", font=font, spacing=1)
    return sheet


def save(sheet: Image.Image, target: Path) -> None:
    """Write the sheet as a JPEG of at most :data:`LARGEST_BYTES`, with as much quality as fits."""
    for quality in range(QUALITY, 20, -6):
        data = io.BytesIO()
        sheet.save(data, "JPEG", quality=quality, optimize=True)
        if data.tell() <= LARGEST_BYTES:
            break
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data.getvalue())


def main() -> None:
    """Make the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a server that runs; default: one is started")
    parser.add_argument("--out", type=Path, default=TARGET, help="the JPEG to write")
    options = parser.parse_args()
    with contextlib.nullcontext(options.url) if options.url else serving() as url:
        pictures = [draw(url, REQUEST | {"prompt": prompt}) for prompt in PROMPTS]
    save(compose(pictures, PROMPTS), options.out)


if __name__ == "__main__":
    main()
