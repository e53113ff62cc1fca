from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sdapi_compat.imaging import masks


def reference_blur(pixels: Any, sigma_x: Any, sigma_y: Any) -> Any:
    """Gaussian blur in float64, written the slow way: explicit window, explicit mirror, no shortcuts."""

    def rows(values: Any, sigma: Any) -> Any:
        radius = int(2.5 * sigma + 0.5)
        window = [math.exp(-(k**2) / (2 * sigma**2)) for k in range(-radius, radius + 1)]
        size = values.shape[1]
        result = np.zeros_like(values)
        for x in range(size):
            for k, weight in zip(range(-radius, radius + 1), window, strict=True):
                at = x + k
                while size > 1 and not 0 <= at < size:
                    at = -at if at < 0 else 2 * (size - 1) - at
                result[:, x] += values[:, at if size > 1 else 0] * weight / sum(window)
        return result

    values = pixels.astype(np.float64)
    if sigma_x > 0:
        values = np.rint(rows(values, sigma_x))
    if sigma_y > 0:
        values = np.rint(rows(values.T, sigma_y).T)
    return values


def rgba(*alphas: Any) -> Any:
    picture = Image.new("RGBA", (len(alphas), 1), (255, 255, 255, 255))
    picture.putalpha(Image.frombytes("L", (len(alphas), 1), bytes(alphas)))
    return picture


@pytest.mark.parametrize(
    ("rounded", "expected"), [(True, [0, 0, 0, 255, 255]), (False, [0, 1, 128, 129, 255])]
)
def test_transparent_picture_gives_its_alpha(rounded: Any, expected: Any) -> None:
    mask = masks.to_mask(rgba(0, 1, 128, 129, 255), rounded=rounded)
    assert (mask.mode, list(mask.tobytes())) == ("L", expected)


@pytest.mark.parametrize("rounded", [True, False])
def test_opaque_picture_gives_its_luminance(rounded: Any) -> None:
    picture = Image.new("RGBA", (1, 1), (0, 255, 0, 255))
    assert list(masks.to_mask(picture, rounded=rounded).tobytes()) == [150]


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "1", "LA", "CMYK"])
def test_other_modes_give_their_luminance(mode: Any) -> None:
    white = Image.new("L", (2, 2), 255).convert(mode)
    assert masks.to_mask(white, rounded=True).getextrema() == (255, 255)


def test_greys_are_kept() -> None:
    assert list(masks.to_mask(Image.new("L", (1, 1), 77), rounded=True).tobytes()) == [77]


def test_invert(noise: Any) -> None:
    mask = noise(5, 5, "L")
    assert list(masks.invert(mask).tobytes()) == [255 - value for value in mask.tobytes()]


@pytest.mark.parametrize(
    ("sigma", "taps"),
    [
        (1, [1, 14, 62, 102, 62, 14, 1]),
        (2, [2, 7, 17, 31, 45, 52, 45, 31, 17, 7, 2]),
        (4, [1, 2, 4, 5, 9, 11, 16, 19, 23, 25, 26, 25, 23, 19, 16, 11, 9, 5, 4, 2, 1]),
    ],
)
def test_taps(sigma: Any, taps: Any) -> None:
    assert masks.gaussian_taps(sigma) == taps


@given(st.floats(0.01, 5000))
def test_taps_are_a_window_of_weight_one(sigma: Any) -> None:
    taps = masks.gaussian_taps(sigma)
    assert sum(taps) == 256
    assert min(taps) >= 0
    assert taps == taps[::-1]
    assert len(taps) == 2 * int(2.5 * min(sigma, masks.MAX_BLUR) + 0.5) + 1


@pytest.mark.parametrize("sigma", [1, 2, 3, 4, 7, 16])
def test_blur_of_masks_is_near_the_exact_gaussian(sigma: Any, levels: Any) -> None:
    # 8-bit weights are off by up to half a level each, and hard edges add them up.
    mask = Image.new("L", (40, 30))
    mask.paste(255, (9, 8, 25, 22))
    difference = abs(levels(masks.blur(mask, sigma, sigma)) - reference_blur(levels(mask), sigma, sigma))
    assert difference.max() <= 4
    assert difference.mean() <= 1


@pytest.mark.parametrize(
    ("sigma_x", "sigma_y", "expected"),
    [
        (1, 0, [[0, 1, 15, 77, 177, 225]] * 2),
        (0, 1, [[0, 0, 0, 0, 255, 255]] * 2),
        (0, 0, [[0, 0, 0, 0, 255, 255]] * 2),
        (-1, -1, [[0, 0, 0, 0, 255, 255]] * 2),
    ],
)
def test_blur_by_hand(sigma_x: Any, sigma_y: Any, expected: Any, levels: Any) -> None:
    # Weights 1 14 62 102 62 14 1 over 0 0 0 0 255 255 | 255 0 0 (mirrored): 255 * sum / 256, half up.
    mask = Image.new("L", (6, 2))
    mask.paste(255, (4, 0, 6, 2))
    assert levels(masks.blur(mask, sigma_x, sigma_y)).tolist() == expected


def test_blur_turns_with_the_picture(noise: Any, levels: Any) -> None:
    mask = noise(37, 50, "L")
    turned = masks.blur(mask.transpose(Image.Transpose.TRANSPOSE), 0, 7)
    assert (levels(masks.blur(mask, 7, 0)) == levels(turned).T).all()


def test_blur_is_the_same_in_blocks_of_rows(noise: Any, levels: Any) -> None:
    # Rows are independent along x, wherever the blocks begin.
    mask = noise(20, 100, "L")
    whole = levels(masks.blur(mask, 3, 0))
    for top in (0, 31, 32, 33, 64, 99):
        row = mask.crop((0, top, 20, top + 1))
        assert (levels(masks.blur(row, 3, 0)) == whole[top]).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 3), (5, 1)])
def test_blur_of_pictures_smaller_than_the_window(size: Any, noise: Any, levels: Any) -> None:
    mask = noise(*size, "L")
    difference = abs(levels(masks.blur(mask, 4, 4)) - reference_blur(levels(mask), 4, 4))
    assert difference.max() <= 4


@pytest.mark.parametrize("value", [0, 1, 128, 255])
def test_blur_keeps_constants(value: Any) -> None:
    assert masks.blur(Image.new("L", (50, 40), value), 4, 9).getextrema() == (value, value)


def test_absurd_blur_ends_soon() -> None:
    mask = Image.new("L", (64, 64))
    mask.paste(255, (0, 0, 32, 64))
    low, high = masks.blur(mask, 10**9, 10**9).getextrema()
    assert 100 < low <= high < 160


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 8), st.integers(0, 8), st.binary(min_size=60, max_size=60))
def test_blur_stays_between_the_extremes(sigma_x: Any, sigma_y: Any, data: Any) -> None:
    mask = Image.frombytes("L", (10, 6), data)
    low, high = masks.blur(mask, sigma_x, sigma_y).getextrema()
    assert min(data) <= low <= high <= max(data)


def test_doubled() -> None:
    mask = Image.frombytes("L", (5, 1), bytes([0, 1, 127, 128, 255]))
    assert list(masks.doubled(mask).tobytes()) == [0, 2, 254, 255, 255]
    assert list(masks.doubled(mask.convert("RGB")).tobytes())[::3] == [0, 2, 254, 255, 255]


def test_latent_mask_is_a_bicubic_shrink(noise: Any) -> None:
    mask = noise(64, 48, "L")
    soft = masks.latent_mask(mask, 8, 6, rounded=False)
    small = np.asarray(mask.resize((8, 6), Image.Resampling.BICUBIC), dtype=np.float32) / np.float32(255)
    assert (soft.dtype, soft.shape) == (np.float32, (6, 8))
    assert (soft == small).all()


@pytest.mark.parametrize(("level", "expected"), [(0, 0), (127, 0), (128, 1), (255, 1)])
def test_latent_mask_rounds_at_the_half(level: Any, expected: Any) -> None:
    values = masks.latent_mask(Image.new("L", (16, 16), level), 2, 2, rounded=True)
    assert (values == expected).all()
    assert values.dtype == np.float32


def test_conditioning_without_a_mask_paints_everything() -> None:
    painted, blanked = masks.conditioning(np.full((3, 4, 5), 0.7, np.float32), None, 1.0, rounded=True)
    assert (painted.shape, painted.dtype, painted.min()) == ((1, 4, 5), np.float32, 1)
    assert (blanked == 0).all()
    assert blanked.dtype == np.float32


@pytest.mark.parametrize(
    ("weight", "rounded", "expected"),
    [
        (1.0, True, [0.8, 0.8, 0.0, 0.0]),
        (0.0, True, [0.8, 0.8, 0.8, 0.8]),
        (0.5, True, [0.8, 0.8, 0.4, 0.4]),
        (1.0, False, [0.8, 0.8 * 154 / 255, 0.8 * 105 / 255, 0.0]),
    ],
)
def test_conditioning_blanks_under_the_mask(weight: Any, rounded: Any, expected: Any) -> None:
    mask = Image.frombytes("L", (4, 1), bytes([0, 101, 150, 255]))
    painted, blanked = masks.conditioning(np.full((3, 1, 4), 0.8, np.float32), mask, weight, rounded=rounded)
    assert painted[0, 0] == pytest.approx([0, 0, 1, 1] if rounded else [0, 101 / 255, 150 / 255, 1])
    assert blanked[2, 0] == pytest.approx(expected, abs=1e-6)


def test_conditioning_at_full_weight_is_exact(noise: Any) -> None:
    image = np.random.default_rng(0).uniform(-1, 1, (3, 8, 8)).astype(np.float32)
    painted, blanked = masks.conditioning(image, noise(8, 8, "L"), 1.0, rounded=False)
    assert (blanked == image * (1 - painted)).all()
