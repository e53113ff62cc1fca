"""Where "only masked" inpainting works: the box around the mask, grown to the aspect of the job."""

from __future__ import annotations

from typing import NamedTuple

from PIL import Image


class Box(NamedTuple):
    """A half-open pixel rectangle: left <= x < right, top <= y < bottom."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def paste_to(self) -> tuple[int, int, int, int]:
        """(x, y, width, height), the form overlays are pasted by."""
        return self.left, self.top, self.right - self.left, self.bottom - self.top


def padded_bounds(mask: Image.Image, padding: int) -> Box | None:
    """The box around the nonzero pixels, grown by `padding` inside the mask; None for an empty mask."""
    bounds = mask.getbbox()
    if bounds is None:
        return None
    grow = max(0, padding)
    left, top, right, bottom = bounds
    return Box(
        max(0, left - grow),
        max(0, top - grow),
        min(mask.width, right + grow),
        min(mask.height, bottom + grow),
    )


def grow_to_aspect(box: Box, job_size: tuple[int, int], image_size: tuple[int, int]) -> Box:
    """The box widened or heightened to the aspect of `job_size`, staying inside the image.

    A1111 1.10.1 behaviour: the shorter direction grows, half (floored) before and the rest after; what
    sticks out is moved back in, and cut where the image is too small for the aspect.
    """
    left, top, right, bottom = box
    ratio = job_size[0] / job_size[1]
    width, height = right - left, bottom - top
    if width / height > ratio:
        top, bottom = _grow(top, bottom, int(width / ratio - height), image_size[1])
    else:
        left, right = _grow(left, right, int(height * ratio - width), image_size[0])
    return Box(left, top, right, bottom)


def _grow(start: int, end: int, extra: int, limit: int) -> tuple[int, int]:
    start -= extra // 2
    end += extra - extra // 2
    over = max(0, end - limit)
    start, end = start - over, end - over
    under = max(0, -start)
    return start + under, min(end + under, limit)
