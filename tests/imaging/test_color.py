from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from sdapi_compat.imaging import color


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        # OpenCV 8-bit: L * 255/100, a + 128, b + 128.
        ((0, 0, 0), (0, 128, 128)),
        ((255, 255, 255), (255, 128, 128)),
        ((128, 128, 128), (137, 128, 128)),
        ((255, 0, 0), (136, 208, 195)),
        ((0, 255, 0), (224, 42, 211)),
        ((0, 0, 255), (82, 207, 20)),
        ((255, 255, 0), (248, 106, 223)),
        ((10, 10, 10), (7, 128, 128)),
    ],
)
def test_lab_of_known_colours(rgb: Any, lab: Any) -> None:
    assert color.rgb_to_lab(np.array([[rgb]], dtype=np.uint8))[0, 0].tolist() == pytest.approx(lab, abs=1)


def reference_lab(pixels: Any) -> Any:
    """CIE LAB in float64 from the definitions (D65, sRGB), with a reading of 8 bits at the end."""
    signal = pixels / 255
    linear = np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)
    matrix = [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
    t = linear @ np.array(matrix).T / (0.95047, 1.0, 1.08883)
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    lightness = (116 * f[..., 1] - 16) * 255 / 100
    return np.stack(
        [lightness, 500 * (f[..., 0] - f[..., 1]) + 128, 200 * (f[..., 1] - f[..., 2]) + 128], axis=-1
    )


def test_lab_is_near_the_definition() -> None:
    ramp = np.arange(0, 256, 15, dtype=np.uint8)
    pixels = np.stack(np.meshgrid(ramp, ramp, ramp), axis=-1).reshape(1, -1, 3)
    assert abs(color.rgb_to_lab(pixels) - reference_lab(pixels)).max() <= 2


def test_lab_and_back_is_near(noise: Any, levels: Any) -> None:
    pixels = np.asarray(noise(64, 64))
    back = color.lab_to_rgb(color.rgb_to_lab(pixels)).astype(int)
    # One level of LAB is up to many levels of a dark channel in a saturated colour.
    assert abs(back - pixels).mean() < 1
    assert np.percentile(abs(back - pixels), 99) <= 6
    assert abs(back - pixels).max() <= 24


def test_greys_survive_lab_exactly_enough() -> None:
    greys = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    back = color.lab_to_rgb(color.rgb_to_lab(greys)).astype(int)
    assert abs(back - greys).max() <= 2


def test_impossible_lab_is_clipped() -> None:
    wild = np.array([[[255, 0, 0], [0, 255, 255], [128, 255, 0]]], dtype=np.uint8)
    assert color.lab_to_rgb(wild).dtype == np.uint8


def test_histogram_of_itself_is_unchanged(noise: Any) -> None:
    channel = np.asarray(noise(32, 32, "L"))
    assert (color.match_histogram(channel, channel) == channel).all()


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ([0, 1, 2, 3], [10, 20, 30, 40], [10, 20, 30, 40]),
        ([3, 1, 2, 0], [10, 20, 30, 40], [40, 20, 30, 10]),
        ([5, 5, 9, 9], [10, 20, 30, 40], [20, 20, 40, 40]),
        ([0, 1, 2, 3], [7, 7, 7, 7], [7, 7, 7, 7]),
        # Quantiles 1/3, 2/3, 1 between the target's 1/2 and 1: 13.3 is truncated.
        ([0, 1, 2], [10, 20], [10, 13, 20]),
    ],
)
def test_histogram_by_hand(source: Any, target: Any, expected: Any) -> None:
    result = color.match_histogram(np.array([source], dtype=np.uint8), np.array([target], dtype=np.uint8))
    assert result[0].tolist() == expected


def test_luminosity_is_the_other_pictures(noise: Any, levels: Any) -> None:
    colours, brightness = np.asarray(noise(32, 32, seed=1)), np.asarray(noise(32, 32, seed=2))
    luma = np.array([0.299, 0.587, 0.114])
    result = color.with_luminosity(colours, brightness)
    assert abs(result @ luma - brightness @ luma).max() <= 1


@pytest.mark.parametrize(
    ("colours", "brightness", "expected"),
    [
        ((100, 100, 100), (200, 200, 200), (200, 200, 200)),
        ((200, 50, 50), (200, 50, 50), (200, 50, 50)),
        ((255, 0, 0), (0, 0, 0), (0, 0, 0)),
        ((255, 0, 0), (255, 255, 255), (255, 255, 255)),
        # Red at luma 128 overflows: drawn towards grey until the red fits.
        ((255, 0, 0), (128, 128, 128), (255, 74, 74)),
    ],
)
def test_luminosity_by_hand(colours: Any, brightness: Any, expected: Any) -> None:
    result = color.with_luminosity(np.array([[colours]], np.uint8), np.array([[brightness]], np.uint8))
    assert result[0, 0].tolist() == pytest.approx(expected, abs=1)


def test_correcting_to_itself_changes_little(noise: Any, levels: Any) -> None:
    picture = noise(48, 48)
    assert abs(levels(color.correct(picture, picture)) - levels(picture)).mean() < 1


def test_correcting_takes_the_colours_and_leaves_the_brightness(noise: Any, levels: Any) -> None:
    picture = noise(48, 48)
    red, green, blue = noise(32, 32, seed=1).split()
    blueish = Image.merge("RGB", [red.point(lambda v: v // 2), green, blue.point(lambda v: 128 + v // 2)])
    result = levels(color.correct(picture, blueish))
    tint = levels(picture)[..., 2].mean() - levels(picture)[..., 0].mean()
    assert result[..., 2].mean() - result[..., 0].mean() > tint + 60
    luma = np.array([0.299, 0.587, 0.114])
    assert abs(result @ luma - levels(picture) @ luma).max() <= 1


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_correcting_takes_any_mode_and_size(mode: Any, noise: Any) -> None:
    result = color.correct(noise(16, 16).convert(mode), noise(7, 9))
    assert (result.mode, result.size) == ("RGB", (16, 16))
