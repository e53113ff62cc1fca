"""Inpainting masks: reading, inverting, blurring, and their forms for overlays, latents and models."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

# 2.5 times this is still far beyond any picture; larger values only cost time.
MAX_BLUR = 4096.0
# Rows blurred at a time: small enough to stay in the processor's cache.
_BLOCK = 32


def to_mask(image: Image.Image, *, rounded: bool) -> Image.Image:
    """An "L" mask of a client's picture, 255 where to paint.

    A1111 1.10.1 behaviour: an RGBA picture that is anywhere transparent gives its alpha, cut at 128 when
    `rounded`; everything else its luminance, greys kept.
    """
    if image.mode != "RGBA" or image.getextrema()[-1] == (255, 255):
        return image.convert("L")
    alpha = image.getchannel("A")
    return alpha.point([0] * 129 + [255] * 127) if rounded else alpha


def invert(mask: Image.Image) -> Image.Image:
    """255 minus the mask."""
    return ImageOps.invert(mask)


def blur(mask: Image.Image, sigma_x: float, sigma_y: float) -> Image.Image:
    """Gaussian blur of an "L" mask, first along x, then along y; a sigma of 0 or less skips its direction.

    A1111 1.10.1 behaviour: OpenCV's GaussianBlur on 8 bits, window 2*int(2.5*sigma+0.5)+1, reflected
    border; equal to it in every bit.
    """
    pixels = np.asarray(mask.convert("L"))
    if sigma_x > 0:
        pixels = _blur_rows(pixels, gaussian_taps(sigma_x))
    if sigma_y > 0:
        pixels = _blur_rows(pixels.T, gaussian_taps(sigma_y)).T
    return Image.fromarray(np.ascontiguousarray(pixels))


def gaussian_taps(sigma: float) -> list[int]:
    """The window as integers that sum to 256.

    OpenCV's 8-bit kernel: normalised samples of the Gaussian in 8 binary digits, the rounding error of each
    tap carried into the next from the rim inwards, the centre taking what is left.
    """
    sigma = min(float(sigma), MAX_BLUR)
    radius = int(2.5 * sigma + 0.5)
    rim = np.exp(-0.5 / (sigma * sigma) * np.arange(radius, 0, -1.0) ** 2)
    error, side = 0.0, []
    for weight in rim / (2 * rim.sum() + 1) * 256:
        tap = round(weight + error)
        error += float(weight) - tap
        side.append(tap)
    return [*side, 256 - 2 * sum(side), *reversed(side)]


def _blur_rows(pixels: NDArray[np.uint8], taps: list[int]) -> NDArray[np.uint8]:
    radius, width = len(taps) // 2, pixels.shape[1]
    reach = _reflected(np.arange(-radius, width + radius), width)
    result = np.array(pixels)
    for start in range(0, len(pixels), _BLOCK):
        block = pixels[start : start + _BLOCK]
        # A constant stretch stays as it is, and masks are mostly that.
        if block.min() != block.max():
            result[start : start + _BLOCK] = _weighted(block.astype(np.uint16).take(reach, axis=1), taps)
    return result


def _weighted(wide: NDArray[np.uint16], taps: list[int]) -> NDArray[np.uint16]:
    # 16 bits hold every sum: 255 * 256 + 128 < 65536. Most taps of a wide window are zero and cost nothing.
    width = wide.shape[1] - len(taps) + 1
    total = np.full((len(wide), width), 128, np.uint16)
    for offset, tap in enumerate(taps):
        if tap:
            total += np.uint16(tap) * wide[:, offset : offset + width]
    return total >> np.uint16(8)


def _reflected(index: NDArray[np.intp], size: int) -> NDArray[np.intp]:
    # ... 2 1 | 0 1 2 | 1 0 ... : the edge pixel itself is not repeated.
    period = max(1, 2 * (size - 1))
    folded = index % period
    return np.minimum(folded, period - folded)


def doubled(mask: Image.Image) -> Image.Image:
    """The overlay mask of whole-picture inpainting: twice the mask, at most 255."""
    return mask.point([min(255, 2 * value) for value in range(256)] * len(mask.getbands()))


def latent_mask(mask: Image.Image, width: int, height: int, *, rounded: bool) -> NDArray[np.float32]:
    """The mask at latent size, float32 (height, width), 1 where to paint.

    A1111 1.10.1 behaviour: bicubic shrink of the 8-bit mask, first channel, then rounded to 0 or 1 if asked.
    """
    small = mask.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
    values = np.asarray(small, dtype=np.float32)[..., 0] / np.float32(255)
    return np.around(values) if rounded else values


def conditioning(
    image: NDArray[np.float32], mask: Image.Image | None, weight: float, *, rounded: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What an inpainting model is conditioned on, before its encoder.

    `image` is float32 (3, H, W) in [-1, 1], `mask` a picture of the same size (None = paint everywhere).
    Answers the mask, float32 (1, H, W), and the image blanked to grey under it, float32 (3, H, W), `weight`
    (1 = fully) of the way.
    """
    if mask is None:
        painted = np.ones((1, *image.shape[1:]), np.float32)
    else:
        painted = np.asarray(mask.convert("L"), dtype=np.float32)[None] / np.float32(255)
        painted = np.around(painted) if rounded else painted
    blanked = image * (1 - painted)
    return painted, blanked - (blanked - image) * np.float32(1 - weight)
