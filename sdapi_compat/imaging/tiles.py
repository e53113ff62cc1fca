"""Overlapping tiles: cutting a picture up and joining the pieces with soft seams."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
import numpy as np
from PIL import Image

from sdapi_compat.errors import Fault


class Tile(NamedTuple):
    """A piece and where it sits."""

    x: int
    y: int
    image: Image.Image


class TileGrid(msgspec.Struct, frozen=True):
    """The pieces row by row, with the size they are joined to."""

    rows: tuple[tuple[Tile, ...], ...]
    size: tuple[int, int]
    overlap: int

    @property
    def images(self) -> list[Image.Image]:
        """The pieces in reading order."""
        return [tile.image for row in self.rows for tile in row]

    def with_images(self, images: Iterable[Image.Image]) -> TileGrid:
        """The same grid with other pieces, given in reading order."""
        fresh = iter(images)
        rows = tuple(tuple(tile._replace(image=next(fresh)) for tile in row) for row in self.rows)
        return TileGrid(rows, self.size, self.overlap)


def split(image: Image.Image, tile: tuple[int, int], overlap: int) -> TileGrid:
    """Tiles of (width, height), at least `overlap` pixels in common with the next.

    A1111 1.10.1 behaviour: spread evenly, positions truncated, the last one flush with the edge. A tile
    larger than the picture starts before it and is black there. Raises Fault unless 0 <= overlap < both
    sides of a tile.
    """
    if not 0 <= overlap < min(tile):
        raise Fault("ValueError", f"expected a tile overlap from 0 to {min(tile) - 1}, got {overlap}")
    lefts, tops = (_starts(*sides, overlap) for sides in zip(image.size, tile, strict=True))
    rows = tuple(tuple(Tile(x, y, image.crop((x, y, x + tile[0], y + tile[1]))) for x in lefts) for y in tops)
    return TileGrid(rows, image.size, overlap)


def count(size: tuple[int, int], tile: tuple[int, int], overlap: int) -> int:
    """How many tiles `split` makes of a picture of `size`, for the overlaps that it takes."""
    columns, rows = (_number(*sides, overlap) for sides in zip(size, tile, strict=True))
    return columns * rows


def combine(grid: TileGrid) -> Image.Image:
    """The tiles joined, RGB: each fades in over its left and upper neighbour along the overlap, linearly."""
    width, height = grid.size
    result = Image.new("RGB", (width, height))
    for row in grid.rows:
        strip = Image.new("RGB", (width, row[0].image.height))
        for tile in row:
            fade = _ramp(tile.image.size, grid.overlap if tile.x > 0 else 0)
            strip.paste(tile.image, (tile.x, 0), mask=fade)
        fade = _ramp((strip.height, width), grid.overlap if row[0].y > 0 else 0)
        result.paste(strip, (0, row[0].y), mask=fade.transpose(Image.Transpose.TRANSPOSE))
    return result


def _starts(length: int, tile: int, overlap: int) -> list[int]:
    number = _number(length, tile, overlap)
    if number == 1:
        return [length - tile]
    return [index * (length - tile) // (number - 1) for index in range(number)]


def _number(length: int, tile: int, overlap: int) -> int:
    return max(1, math.ceil((length - overlap) / (tile - overlap)))


def _ramp(size: tuple[int, int], overlap: int) -> Image.Image:
    row = np.full(size[0], 255, np.uint8)
    row[:overlap] = (np.arange(overlap) * 255 / max(1, overlap)).astype(np.uint8)
    return Image.fromarray(np.tile(row, (size[1], 1)))
