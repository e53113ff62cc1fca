from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from sdapi_compat.imaging import pixels


@pytest.mark.parametrize(
    ("value", "level"),
    [
        (-1, 0),
        (1, 255),
        (0, 127),  # 127.5 truncated
        (0.999, 254),
        (-0.999, 0),
        (0.5, 191),  # 191.25
        (-5, 0),
        (5, 255),
        (2 * (200 / 255) - 1 + 1e-4, 200),
        (2 * (200 / 255) - 1 - 1e-4, 199),
    ],
)
def test_levels_are_truncated(value: Any, level: Any) -> None:
    (picture,) = pixels.to_images(np.full((1, 3, 2, 2), value, np.float32))
    assert picture.getextrema() == ((level, level),) * 3


def test_each_picture_of_a_batch_and_its_axes() -> None:
    decoded = np.full((2, 3, 4, 5), -1, np.float32)
    decoded[1, 2, 3, 0] = 1
    first, second = pixels.to_images(decoded)
    assert (first.mode, first.size) == ("RGB", (5, 4))
    assert first.getextrema() == ((0, 0),) * 3
    assert second.getpixel((0, 3)) == (0, 0, 255)
    assert np.count_nonzero(np.asarray(second)) == 1


def test_half_precision_is_computed_in_float32() -> None:
    (picture,) = pixels.to_images(np.full((1, 3, 1, 1), 0.3, np.float16))
    assert picture.getpixel((0, 0))[0] == int(255 * ((np.float32(np.float16(0.3)) + 1) / 2))


def test_picture_to_arrays(noise: Any) -> None:
    picture = noise(4, 3)
    unit, signed = pixels.to_unit_array(picture), pixels.to_array(picture)
    assert (unit.shape, unit.dtype, signed.dtype) == ((3, 3, 4), np.float32, np.float32)
    expected = np.asarray(picture).transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    assert (unit == expected).all()
    assert (signed == expected * 2 - 1).all()


def test_extremes_are_exact() -> None:
    picture = Image.frombytes("RGB", (2, 1), bytes([0, 0, 0, 255, 255, 255]))
    assert pixels.to_array(picture)[0, 0].tolist() == [-1.0, 1.0]


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_arrays_have_three_channels(mode: Any) -> None:
    assert pixels.to_array(Image.new(mode, (2, 2))).shape == (3, 2, 2)


def test_there_and_back_loses_at_most_one_level() -> None:
    ramp = Image.linear_gradient("L").convert("RGB")
    (back,) = pixels.to_images(pixels.to_array(ramp)[None])
    difference = np.asarray(ramp).astype(int) - np.asarray(back)
    assert set(np.unique(difference)) <= {0, 1}
