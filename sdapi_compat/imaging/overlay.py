"""Overlays: the untouched part of an inpainted picture, laid over the generated one."""

from __future__ import annotations

from typing import NamedTuple

from PIL import Image, ImageOps

from sdapi_compat.imaging.resize import CROP, FILL, STRETCH, resize
from sdapi_compat.imaging.upscalers import Upscaler

Placement = tuple[int, int, int, int]


class Composited(NamedTuple):
    """The finished picture (RGB) and the generated one alone, brought to the same size."""

    image: Image.Image
    generated: Image.Image


def cut_out(image: Image.Image, mask: Image.Image) -> Image.Image:
    """The unmasked pixels on transparent ground, mode "RGBa" (premultiplied). Same size for both."""
    canvas = Image.new("RGBa", image.size)
    canvas.paste(image.convert("RGBA").convert("RGBa"), mask=ImageOps.invert(mask.convert("L")))
    return canvas


def build(image: Image.Image, overlay_mask: Image.Image) -> Image.Image:
    """The overlay of a source picture: itself in RGBA, transparent where the mask is 255."""
    return cut_out(image, overlay_mask).convert("RGBA")


def uncropped(mask: Image.Image, size: tuple[int, int], paste_to: Placement | None) -> Image.Image:
    """A mask of the generated picture as one of the whole picture of `size`, "L", 0 outside `paste_to`."""
    if paste_to is None:
        return mask.convert("L") if mask.size == size else resize(STRETCH, mask.convert("L"), *size)
    x, y, width, height = paste_to
    canvas = Image.new("L", size)
    canvas.paste(resize(CROP, mask, width, height).convert("L"), (x, y))
    return canvas


def apply(
    generated: Image.Image,
    overlay: Image.Image | None,
    paste_to: Placement | None = None,
    upscaler: Upscaler | None = None,
) -> Composited:
    """Lay `overlay` over the generated picture.

    A1111 1.10.1 behaviour: with `paste_to` (x, y, width, height) the generated picture is first fitted
    (cover and crop) into that place of a transparent canvas of the overlay's size.
    """
    if overlay is None:
        return Composited(generated, generated)
    if paste_to is not None:
        generated = _placed(generated, overlay.size, paste_to, upscaler)
    result = generated.convert("RGBA")
    result.alpha_composite(overlay)
    return Composited(result.convert("RGB"), generated)


def _placed(
    image: Image.Image, canvas_size: tuple[int, int], paste_to: Placement, upscaler: Upscaler | None
) -> Image.Image:
    x, y, width, height = paste_to
    canvas = Image.new("RGBA", canvas_size)
    canvas.paste(resize(CROP, image, width, height, upscaler), (x, y))
    return canvas


def mask_picture(overlay_mask: Image.Image) -> Image.Image:
    """What `return_mask` adds to the answer: the overlay mask as RGB."""
    return overlay_mask.convert("RGB")


def mask_composite(generated: Image.Image, overlay_mask: Image.Image) -> Image.Image:
    """What `return_mask_composite` adds: `Composited.generated` in RGBA, kept under the mask only."""
    mask = resize(FILL, overlay_mask, generated.width, generated.height).convert("L")
    ground = Image.new("RGBa", generated.size)
    return Image.composite(generated.convert("RGBA").convert("RGBa"), ground, mask).convert("RGBA")
