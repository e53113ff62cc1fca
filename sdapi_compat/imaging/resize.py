"""The resize modes of img2img: 0 stretch, 1 cover and crop, 2 (and any other number) contain and fill."""

from __future__ import annotations

from PIL import Image

from sdapi_compat.imaging.upscalers import Upscaler, upscale

STRETCH, CROP, FILL, LATENT = 0, 1, 2, 3


def resize(
    mode: int, image: Image.Image, width: int, height: int, upscaler: Upscaler | None = None
) -> Image.Image:
    """A picture of exactly (width, height).

    A1111 1.10.1 behaviour: shrinking and greyscale are always Lanczos, enlarging goes through `upscaler`
    when there is one. Modes other than 0 answer RGB even for a mask; mode 2 fills the gaps from the nearest
    edge.
    """
    if mode == STRETCH:
        return _resample(image, width, height, upscaler)
    inner_width, inner_height = _inner_size(image.size, (width, height), cover=mode == CROP)
    inner = _resample(image, inner_width, inner_height, upscaler)
    left, top = width // 2 - inner_width // 2, height // 2 - inner_height // 2
    canvas = Image.new("RGB", (width, height))
    canvas.paste(inner, (left, top))
    if mode != CROP:
        _fill_gaps(canvas, inner, left, top)
    return canvas


def _resample(image: Image.Image, width: int, height: int, upscaler: Upscaler | None) -> Image.Image:
    scale = max(width / image.width, height / image.height)
    if upscaler is not None and image.mode != "L" and scale > 1:
        image = upscale(upscaler, image, scale)
        if image.size == (width, height):
            return image
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _inner_size(source: tuple[int, int], target: tuple[int, int], *, cover: bool) -> tuple[int, int]:
    (source_width, source_height), (width, height) = source, target
    ratio, source_ratio = width / height, source_width / source_height
    by_width = max(1, source_height * width // source_width)
    by_height = max(1, source_width * height // source_height)
    fits_width = ratio > source_ratio if cover else ratio < source_ratio
    return (width, by_width) if fits_width else (by_height, height)


def _fill_gaps(canvas: Image.Image, inner: Image.Image, left: int, top: int) -> None:
    # A box of no height (or width) at the very edge makes Pillow extrapolate from the rows next to it, as the
    # original does.
    width, height = canvas.size
    below, beyond = top + inner.height, left + inner.width
    if top > 0:
        canvas.paste(inner.resize((width, top), box=(0, 0, width, 0)), (0, 0))
    if below < height:
        edge = (0, inner.height, width, inner.height)
        canvas.paste(inner.resize((width, height - below), box=edge), (0, below))
    if left > 0:
        canvas.paste(inner.resize((left, height), box=(0, 0, 0, height)), (0, 0))
    if beyond < width:
        edge = (inner.width, 0, inner.width, height)
        canvas.paste(inner.resize((width - beyond, height), box=edge), (beyond, 0))
