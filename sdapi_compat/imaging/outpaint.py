"""Growing a picture beyond its edges: how far, and which part of the larger canvas is new."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import NamedTuple

from PIL import Image

from sdapi_compat.errors import InvalidRequest, Problem

STEP = 64
MOST_PIXELS = 2048
DIRECTIONS = ("left", "right", "up", "down")


class Margins(NamedTuple):
    """Pixels to add at each edge."""

    left: int
    right: int
    up: int
    down: int

    def grown(self, size: tuple[int, int]) -> tuple[int, int]:
        """(width, height) of the larger canvas."""
        return size[0] + self.left + self.right, size[1] + self.up + self.down


def margins(size: tuple[int, int], pixels: int, directions: Collection[str]) -> Margins:
    """At least `pixels` in each direction of DIRECTIONS that is named, more where a side would not be a
    multiple of 64 (A1111 1.10.1 behaviour). A side that is not to grow is left alone.

    Raises InvalidRequest without a direction, and for pixels outside 1 to 2048.
    """
    if not 1 <= pixels <= MOST_PIXELS:
        raise _invalid(f"the pixels to expand must be 1 to {MOST_PIXELS}")
    wished = [pixels if name in directions else 0 for name in DIRECTIONS]
    if not any(wished):
        raise _invalid(f"one or more of the directions {', '.join(DIRECTIONS)} must be named")
    left, right = _spread(size[0], wished[0], wished[1])
    up, down = _spread(size[1], wished[2], wished[3])
    return Margins(left, right, up, down)


def _spread(length: int, before: int, after: int) -> tuple[int, int]:
    if before + after == 0:
        return 0, 0
    extra = math.ceil((length + before + after) / STEP) * STEP - length
    first = before * extra // (before + after)
    return (first, extra - first) if after else (extra, 0)


def _invalid(message: str) -> InvalidRequest:
    return InvalidRequest([Problem(("body", "script_args"), message, "value_error")])


def new_area(size: tuple[int, int], kept: tuple[int, int, int, int]) -> Image.Image:
    """An "L" mask of `size`, black in the rectangle `kept` (left, top, right, bottom), white around it.

    A1111 1.10.1 behaviour: the right column and the bottom row belong to the rectangle.
    """
    left, top, right, bottom = kept
    mask = Image.new("L", size, 255)
    if left <= right and top <= bottom:
        mask.paste(0, (left, top, right + 1, bottom + 1))
    return mask
