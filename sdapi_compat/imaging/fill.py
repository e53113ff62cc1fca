"""Masked content "fill": paint the masked area with ever finer smears of what surrounds it."""

from __future__ import annotations

from PIL import Image, ImageFilter

from sdapi_compat.imaging.overlay import cut_out

# (blur radius, how often it is laid on), from the widest smear to the unblurred surroundings.
_LAYERS = ((256, 1), (64, 1), (16, 2), (4, 4), (2, 2), (0, 1))


def fill(image: Image.Image, mask: Image.Image) -> Image.Image:
    """`image` with the masked area (255) replaced by blurred surroundings, RGB. Both must have the same size.

    A1111 1.10.1 behaviour, inpainting_fill 0. Where nothing is left unmasked the result is black.
    """
    surroundings = cut_out(image, mask)
    result = Image.new("RGBA", image.size)
    for radius, repeats in _LAYERS:
        layer = surroundings.filter(ImageFilter.GaussianBlur(radius)).convert("RGBA")
        for _ in range(repeats):
            result.alpha_composite(layer)
    return result.convert("RGB")
