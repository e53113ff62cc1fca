"""Contact sheets: how many rows, and the pictures in their cells."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
from PIL import Image


class GridRule(msgspec.Struct, frozen=True):
    """What decides the rows: the options n_rows (-1 automatic, 0 the batch size) and no empty spots."""

    n_rows: int = -1
    batch_size: int = 1
    prevent_empty_spots: bool = False


def row_count(pictures: int, rule: GridRule) -> int:
    """Rows for that many pictures, never more than there are.

    A1111 1.10.1 behaviour: fixed, or the batch size, or the largest divisor up to the square root, or the
    square root rounded.
    """
    if rule.n_rows > 0:
        rows = rule.n_rows
    elif rule.n_rows == 0:
        rows = rule.batch_size
    elif rule.prevent_empty_spots:
        rows = next(n for n in range(max(1, math.isqrt(pictures)), 0, -1) if pictures % n == 0)
    else:
        rows = round(math.sqrt(pictures))
    return max(1, min(rows, pictures))


def make(images: Sequence[Image.Image], rows: int, background: str = "#ffffff") -> Image.Image:
    """The pictures row by row, RGB; every cell is as large as the largest, pictures sit in its middle."""
    columns = math.ceil(len(images) / rows)
    width, height = max(image.width for image in images), max(image.height for image in images)
    sheet = Image.new("RGB", (columns * width, rows * height), background)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        left = column * width + (width - image.width) // 2
        top = row * height + (height - image.height) // 2
        sheet.paste(image, (left, top))
    return sheet
