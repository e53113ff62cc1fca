"""Grids with texts above the columns and left of the rows (prompt matrix, X/Y plots)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import msgspec
from PIL import Image, ImageChops, ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont
ROBOTO = Path(__file__).parent / "fonts" / "Roboto-Regular.ttf"
_STRIKE_WIDTH = 4
# Below this, letters stand side by side, each in one shape whatever its neighbours are.
_SIMPLE_LETTERS = 0x250
# A line this long is set so small that nobody sees where its letters touch.
_MOST_LETTERS = 500


class Caption(NamedTuple):
    """One text; an inactive one is grey and struck through."""

    text: str
    active: bool = True


class CaptionStyle(msgspec.Struct, frozen=True):
    """The grid_* and font options (no font file: Roboto, as in A1111 1.10.1) and pixels between cells."""

    background: str = "#ffffff"
    active: str = "#000000"
    inactive: str = "#999999"
    font: str | None = None
    margin: int = 0


class Captions(msgspec.Struct, frozen=True):
    """The texts over each column and beside each row, several lines allowed in each."""

    columns: Sequence[Sequence[Caption]]
    rows: Sequence[Sequence[Caption]]


class _Line(NamedTuple):
    text: str
    active: bool
    width: int
    height: int


def prompt_matrix(parts: Sequence[str]) -> Captions:
    """Captions over the varying parts of a prompt matrix: the first half of them goes along the columns."""
    half = math.ceil(len(parts) / 2)
    return Captions(_combinations(parts[:half]), _combinations(parts[half:]))


def annotate(
    sheet: Image.Image, cell: tuple[int, int], captions: Captions, style: CaptionStyle | None = None
) -> Image.Image:
    """The grid with its captions, RGB.

    A1111 1.10.1 behaviour: letters of a 25th of width plus height; three quarters of a cell at the left if
    any row has a text; at the top what the tallest caption needs. A line too long is wrapped at spaces,
    then set smaller.
    """
    pen = _Pen(sum(cell) // 25, style or CaptionStyle())
    width, height = cell
    left = width * 3 // 4 if any(caption.text for row in captions.rows for caption in row) else 0
    above = [pen.layout(texts, width) for texts in captions.columns]
    beside = [pen.layout(texts, left) for texts in captions.rows]
    tallest = max(map(pen.height, above), default=0)
    top = tallest + 2 * pen.spacing if tallest > 0 else 0
    result = _spread(sheet, cell, (left, top), pen.style)
    draw = ImageDraw.Draw(result)
    for column, lines in enumerate(above):
        x = left + (width + pen.style.margin) * column + width / 2
        pen.write(draw, (x, top / 2 - pen.height(lines) / 2), lines, width)
    for row, lines in enumerate(beside):
        y = top + (height + pen.style.margin) * row + height / 2
        pen.write(draw, (left / 2, y - pen.height(lines) / 2), lines, left)
    return result


def _combinations(parts: Sequence[str]) -> list[list[Caption]]:
    return [
        [Caption(part, bool(chosen >> bit & 1)) for bit, part in enumerate(parts)]
        for chosen in range(1 << len(parts))
    ]


def _spread(
    sheet: Image.Image, cell: tuple[int, int], origin: tuple[int, int], style: CaptionStyle
) -> Image.Image:
    (width, height), (left, top) = cell, origin
    columns, rows = sheet.width // width, sheet.height // height
    size = (
        sheet.width + left + style.margin * (columns - 1),
        sheet.height + top + style.margin * (rows - 1),
    )
    result = Image.new("RGB", size, style.background)
    for row in range(rows):
        for column in range(columns):
            x, y = width * column, height * row
            picture = sheet.crop((x, y, x + width, y + height))
            result.paste(picture, (left + x + style.margin * column, top + y + style.margin * row))
    return result


class _Pen:
    """Measures and writes lines of one nominal size."""

    def __init__(self, size: int, style: CaptionStyle) -> None:
        self.size = max(1, size)
        self.spacing = self.size // 2
        self.style = style
        self._measure = ImageDraw.Draw(Image.new("RGB", (1, 1)))

    def layout(self, captions: Sequence[Caption], width: int) -> list[_Line]:
        font = self._font(self.size)
        lines = []
        for caption in captions:
            for text in self._wrapped(caption.text, width, font):
                lines.append(_Line(text, caption.active, *self._extent(text, font)))
        return lines

    def height(self, lines: Sequence[_Line]) -> int:
        return sum(line.height for line in lines) + self.spacing * max(0, len(lines) - 1)

    def write(
        self, draw: ImageDraw.ImageDraw, at: tuple[float, float], lines: Sequence[_Line], width: int
    ) -> None:
        x, y = at
        for line in lines:
            colour = self.style.active if line.active else self.style.inactive
            centre = (x, y + line.height / 2)
            font = self._fitting(line.text, width)
            _write_line(draw, centre, line.text, font, colour)
            if not line.active:
                middle, half = y + line.height // 2, line.width // 2
                draw.line((x - half, middle, x + half, middle), fill=colour, width=_STRIKE_WIDTH)
            y += line.height + self.spacing

    def _wrapped(self, text: str, width: int, font: Font) -> list[str]:
        lines = [""]
        for word in text.split():
            longer = f"{lines[-1]} {word}".strip()
            if self._measure.textlength(longer, font=font) <= width:
                lines[-1] = longer
            else:
                lines.append(word)
        return lines if lines[0] or len(lines) == 1 else lines[1:]

    def _fitting(self, text: str, width: int) -> Font:
        size = self.size
        while size > 1 and self._measure.textlength(text, font=self._font(size)) > width:
            size -= 1
        return self._font(size)

    def _extent(self, text: str, font: Font) -> tuple[int, int]:
        left, top, right, bottom = self._measure.multiline_textbbox((0, 0), text, font=font)
        return int(right - left), int(bottom - top)

    def _font(self, size: int) -> Font:
        return ImageFont.truetype(self.style.font or ROBOTO, size)


def _write_line(
    draw: ImageDraw.ImageDraw, centre: tuple[float, float], text: str, font: Font, colour: str
) -> None:
    """One line around `centre`.

    A1111 1.10.1 behaviour, that of its Pillow 9.5: where two letters touch, the darker one counts. Later
    versions of Pillow add them up.
    """
    if len(text) > _MOST_LETTERS or not all(ord(letter) < _SIMPLE_LETTERS for letter in text):
        draw.text(centre, text, fill=colour, font=font, anchor="mm")
        return
    length, reach = font.getlength(text), 2 * math.ceil(font.size)
    left = centre[0] - math.floor(length / 2 + 0.5)
    corner = math.floor(left) - reach, math.floor(centre[1]) - reach
    mask = Image.new("L", (math.ceil(length) + 2 * reach, 2 * reach))
    for letter, so_far in zip(text, accumulate(text), strict=True):
        x = left + font.getlength(so_far) - font.getlength(letter)
        layer = Image.new("L", mask.size)
        place = x - corner[0], centre[1] - corner[1]
        ImageDraw.Draw(layer).text(place, letter, fill=255, font=font, anchor="lm")
        mask = ImageChops.lighter(mask, layer)
    draw.bitmap(corner, mask, fill=colour)
