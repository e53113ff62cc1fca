"""Sizes of the hires fix."""

from __future__ import annotations

import math

import msgspec

_CELL = 8
_OLD_PIXELS = 512 * 512
_OLD_STEP = 64


class HiresTarget(msgspec.Struct, frozen=True):
    """The second pass works at (width, height) pixels; truncate_x/y latent cells are then cut off."""

    width: int
    height: int
    truncate_x: int = 0
    truncate_y: int = 0

    def window(self, height: int, width: int) -> tuple[slice, slice]:
        """Rows and columns that remain of a latent of (height, width) cells."""
        return _kept(height, self.truncate_y), _kept(width, self.truncate_x)


def hires_target(size: tuple[int, int], scale: float, resize_x: int = 0, resize_y: int = 0) -> HiresTarget:
    """Target for a first pass of `size` (width, height).

    A1111 1.10.1 behaviour: by factor when neither side is asked for; one side asked keeps the aspect; both
    asked are covered, and what sticks out is truncated in whole latent cells.
    """
    width, height = size
    if resize_x == 0 and resize_y == 0:
        return HiresTarget(int(width * scale), int(height * scale))
    by_x = resize_x, resize_x * height // width
    by_y = resize_y * width // height, resize_y
    if resize_y == 0:
        return HiresTarget(*by_x)
    if resize_x == 0:
        return HiresTarget(*by_y)
    covering = by_x if width / height < resize_x / resize_y else by_y
    return HiresTarget(*covering, (covering[0] - resize_x) // _CELL, (covering[1] - resize_y) // _CELL)


def old_first_pass(width: int, height: int) -> tuple[int, int]:
    """First pass of `use_old_hires_fix_width_height`: about 512 x 512 pixels, sides rounded up to 64."""
    scale = math.sqrt(_OLD_PIXELS / (width * height))
    return (
        math.ceil(scale * width / _OLD_STEP) * _OLD_STEP,
        math.ceil(scale * height / _OLD_STEP) * _OLD_STEP,
    )


def _kept(cells: int, truncate: int) -> slice:
    return slice(truncate // 2, cells - (truncate + 1) // 2)
