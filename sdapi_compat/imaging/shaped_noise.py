"""Noise that goes on where a picture ends: in its frequencies, its phases and its colours.

The method of C. Friesen's g-diffuser (2022): white noise is given the picture's spectrum, and the colours of
what is there by histogram matching.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]
Flags = NDArray[np.bool_]

NOISE_SEED = 0
TINY = 1e-12


def continued(image: Image.Image, new_area: Image.Image, falloff: float, colours: float) -> Image.Image:
    """`image` (RGB) with noise where `new_area` ("L", same size) is white, RGB.

    `falloff`: exponent of the picture's spectrum, lower gives finer noise. `colours`: from 0, one noise for
    all channels, to 1, one for each. A1111 1.10.1 behaviour: the white noise is always the same one, so only
    the request's seed makes pictures differ.
    """
    pixels = np.asarray(image.convert("RGB"), np.float64) / 255
    new = np.asarray(new_area.convert("L")) > 0
    if new.any() and not new.all():
        noise = _shaped(pixels, new, _white(pixels.shape[:2], colours), falloff)
        pixels[new] = _with_values_of(noise[new], pixels[~new])
    return Image.fromarray(np.clip(pixels * 255, 0, 255).astype(np.uint8))


def _white(shape: tuple[int, ...], colours: float) -> Float:
    """White noise (H, W, 3) in [0, 1], partly grey."""
    noise = np.random.default_rng(NOISE_SEED).random((*shape, 3))
    grey = noise.sum(axis=2, keepdims=True) / 3
    return np.asarray(noise * colours + (1 - colours) * grey)


def _shaped(pixels: Float, new: Flags, noise: Float, falloff: float) -> Float:
    """`noise` (H, W, 3) with the spectrum of the picture, its new part filled with its mean, in [0, 1]."""
    kept = pixels * ~new[..., None]
    kept = kept / max(kept.max(), TINY) + pixels.mean() * new[..., None]
    window = _window(*noise.shape[:2])
    shaped = np.empty_like(noise)
    for channel in range(noise.shape[2]):
        spectrum = _spectrum(kept[..., channel])
        amount = np.abs(spectrum)
        phase = spectrum / np.maximum(amount, TINY)
        smooth = _signal(_spectrum(noise[..., channel]) * window)
        strength = np.abs(_spectrum(smooth)) ** 2
        shaped[..., channel] = _signal(strength * amount**falloff * phase)
    shaped -= shaped.min()
    return np.asarray(shaped / max(shaped.max(), TINY))


def _window(rows: int, columns: int) -> Float:
    """What remains of each frequency, the zero frequency in the middle; it falls with the square of both."""
    shorter = min(rows, columns)
    y, x = ((np.arange(n) / n * 2 - 1) * (n / shorter) for n in (rows, columns))
    return np.asarray(1 / ((y[:, None] ** 2 + 1) * (x**2 + 1)))


def _spectrum(signal: Float) -> Complex:
    return np.asarray(np.fft.ifftshift(np.fft.fft2(np.fft.fftshift(signal), norm="ortho")))


def _signal(spectrum: Complex) -> Float:
    return np.asarray(np.fft.ifftshift(np.fft.ifft2(np.fft.fftshift(spectrum), norm="ortho")).real)


def _with_values_of(values: Float, wanted: Float) -> Float:
    """Each channel of (N, 3) mapped so that its cumulative histogram becomes that of (M, 3)."""
    pairs = zip(values.T, wanted.T, strict=True)
    return np.stack([_matched(source, target) for source, target in pairs], axis=1)


def _matched(source: Float, target: Float) -> Float:
    _, places, counts = np.unique(source, return_inverse=True, return_counts=True)
    levels, frequencies = np.unique(target, return_counts=True)
    shares = np.interp(counts.cumsum() / source.size, frequencies.cumsum() / target.size, levels)
    return np.asarray(shares[places])
