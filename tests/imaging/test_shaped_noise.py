"""Noise that continues a picture."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sdapi_compat.imaging.shaped_noise import continued


def new_right_half(size: tuple[int, int] = (128, 64)) -> Image.Image:
    mask = Image.new("L", size)
    mask.paste(255, (size[0] // 2, 0, *size))
    return mask


@pytest.fixture
def striped() -> Image.Image:
    """128x64: horizontal stripes of two colours on the left, nothing on the right."""
    image = Image.new("RGB", (128, 64))
    draw = ImageDraw.Draw(image)
    for top in range(0, 64, 8):
        draw.rectangle((0, top, 63, top + 3), fill=(200, 40, 20))
        draw.rectangle((0, top + 4, 63, top + 7), fill=(20, 60, 180))
    return image


def made(image: Image.Image, falloff: float = 1.0, colours: float = 0.05) -> np.ndarray:
    return np.asarray(continued(image, new_right_half(image.size), falloff, colours)).astype(int)


def test_what_is_there_stays_exactly(striped: Image.Image) -> None:
    assert np.array_equal(made(striped)[:, :64], np.asarray(striped)[:, :64])


def test_the_new_part_has_the_colours_of_the_old(striped: Image.Image) -> None:
    result = made(striped)
    for channel in range(3):
        old, new = result[:, :64, channel], result[:, 64:, channel]
        assert old.min() <= new.min() <= new.max() <= old.max()
        assert abs(np.percentile(new, 25) - np.percentile(old, 25)) < 10
        assert new.std() > old.std() / 2


def test_the_new_part_has_the_frequencies_of_the_old(striped: Image.Image) -> None:
    new = made(striped)[:, 64:, 0]
    down, across = (np.abs(np.diff(new, axis=axis)).mean() for axis in (0, 1))
    assert down > 1.5 * across, "stripes go on as stripes"


def test_a_lower_falloff_gives_finer_noise() -> None:
    photo = Image.radial_gradient("L").resize((128, 64)).convert("RGB")
    rough = [np.abs(np.diff(made(photo, falloff)[:, 64:, 1], axis=1)).mean() for falloff in (0.0, 1.0, 2.0)]
    assert rough[0] > 2 * rough[1] > 2 * rough[2]


def test_colours_go_apart_with_their_variation() -> None:
    grey = Image.linear_gradient("L").resize((128, 64)).convert("RGB")
    apart = [np.abs(np.ptp(made(grey, 1.0, colours)[:, 64:], axis=2)).mean() for colours in (0.0, 1.0)]
    assert apart[0] == 0
    assert apart[1] > 20


def test_it_is_the_same_every_time(striped: Image.Image) -> None:
    assert np.array_equal(made(striped), made(striped))


@pytest.mark.parametrize("level", [0, 255])
def test_without_anything_new_or_old_the_picture_stays(striped: Image.Image, level: int) -> None:
    result = continued(striped, Image.new("L", striped.size, level), 1.0, 0.05)
    assert result.tobytes() == striped.tobytes()


def test_a_black_picture_stays_black() -> None:
    assert made(Image.new("RGB", (64, 64))).max() == 0
