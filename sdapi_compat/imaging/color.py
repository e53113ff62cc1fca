"""Colour correction of img2img results: the source picture's colours under the result's brightness."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Float = NDArray[np.float64]
Bytes = NDArray[np.uint8]

# Linear sRGB to CIE XYZ and its white, D65, in the digits OpenCV uses.
_TO_XYZ = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
)
_WHITE = np.array([0.950456, 1.0, 1.088754])
_LUMA = np.array([0.299, 0.587, 0.114])
# 116 * f - 16 on a scale of 255 for 100, in whole numbers and 15 binary digits.
_L_SCALE = (116 * 255 + 50) // 100
_L_OFFSET = (16 * 255 * 2**15 + 50) // 100


def correct(image: Image.Image, target: Image.Image) -> Image.Image:
    """`image` with the colour distribution of `target`, RGB.

    A1111 1.10.1 behaviour: per-channel histogram matching in 8-bit LAB, then the corrected colours are
    given the luminosity `image` had.
    """
    pixels = np.asarray(image.convert("RGB"))
    source, wanted = rgb_to_lab(pixels), rgb_to_lab(np.asarray(target.convert("RGB")))
    matched = np.stack([match_histogram(source[..., i], wanted[..., i]) for i in range(3)], axis=-1)
    return Image.fromarray(with_luminosity(lab_to_rgb(matched), pixels))


def match_histogram(source: Bytes, target: Bytes) -> Bytes:
    """One channel mapped so that its cumulative histogram becomes the target's; truncated to whole levels."""
    levels = np.flatnonzero(np.bincount(target.ravel()))
    target_quantiles = np.cumsum(np.bincount(target.ravel())[levels]) / target.size
    source_quantiles = np.cumsum(np.bincount(source.ravel(), minlength=256)) / source.size
    table = np.interp(source_quantiles, target_quantiles, levels)
    return table.astype(np.uint8)[source]


def rgb_to_lab(pixels: Bytes) -> Bytes:
    """uint8 (..., 3) RGB to 8-bit CIE LAB: L * 255/100, a + 128, b + 128.

    In the fixed-point steps of OpenCV's 8-bit conversion (12-bit matrix, 15-bit cube roots): within one
    level of it.
    """
    linear = np.rint(255 * 8 * _linear(np.arange(256) / 255))
    t = np.arange(256 * 12) / (255 * 8)
    roots = np.rint(2**15 * _cube_root(t)).astype(np.int64)
    # Whole numbers below 2**53 all the way: the fast matrix product of floats is exact.
    matrix = np.rint(_TO_XYZ / _WHITE[:, None] * 2**12)
    xyz = (linear[pixels] @ matrix.T).astype(np.int64)
    fx, fy, fz = np.moveaxis(roots[_descale(xyz, 12)], -1, 0)
    lightness = _descale(_L_SCALE * fy - _L_OFFSET, 15)
    green_red = _descale(500 * (fx - fy) + 128 * 2**15, 15)
    blue_yellow = _descale(200 * (fy - fz) + 128 * 2**15, 15)
    return np.clip(np.stack([lightness, green_red, blue_yellow], axis=-1), 0, 255).astype(np.uint8)


def lab_to_rgb(lab: Bytes) -> Bytes:
    """The inverse of `rgb_to_lab`, within 2 levels of OpenCV's; colours outside sRGB are clipped."""
    values = lab.astype(np.float64)
    fy = (values[..., 0] * (100 / 255) + 16) / 116
    fx, fz = fy + (values[..., 1] - 128) / 500, fy - (values[..., 2] - 128) / 200
    xyz = _cube(np.stack([fx, fy, fz], axis=-1)) * _WHITE
    rgb = _display(np.clip(xyz @ np.linalg.inv(_TO_XYZ).T, 0, 1))
    return np.rint(rgb * 255).astype(np.uint8)


def with_luminosity(colours: Bytes, brightness: Bytes) -> Bytes:
    """The "luminosity" blend mode: hue and saturation of `colours`, luma of `brightness`; uint8 (..., 3)
    both.

    Where the sum leaves the range, the colour is drawn towards its own grey (W3C Compositing, ClipColor).
    """
    base = colours / 255
    moved = base + ((brightness / 255 - base) @ _LUMA)[..., None]
    luma = (moved @ _LUMA)[..., None]
    low = moved.min(axis=-1, keepdims=True)
    high = moved.max(axis=-1, keepdims=True)
    moved = np.where(low < 0, luma + (moved - luma) * luma / np.where(low < 0, luma - low, 1), moved)
    moved = np.where(high > 1, luma + (moved - luma) * (1 - luma) / np.where(high > 1, high - luma, 1), moved)
    result: Bytes = np.rint(np.clip(moved, 0, 1) * 255).astype(np.uint8)
    return result


def _linear(signal: Float) -> Float:
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)


def _display(linear: Float) -> Float:
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def _cube_root(t: Float) -> Float:
    return np.where(t < 0.008856, 7.787 * t + 16 / 116, np.cbrt(t))


def _cube(f: Float) -> Float:
    return np.where(f > 6 / 29, f**3, (f - 16 / 116) / 7.787)


def _descale(values: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    return (values + (1 << (bits - 1))) >> bits
