from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from sdapi_compat.imaging.fill import fill


def hole(size: Any, box: Any) -> Any:
    mask = Image.new("L", size)
    mask.paste(255, box)
    return mask


def test_unmasked_pixels_stay(noise: Any, levels: Any) -> None:
    picture, mask = noise(40, 30), hole((40, 30), (10, 10, 30, 20))
    result = fill(picture, mask)
    outside = levels(mask) == 0
    assert result.mode == "RGB"
    assert (levels(result)[outside] == levels(picture)[outside]).all()


def test_plain_surroundings_flow_into_the_hole(levels: Any) -> None:
    picture = Image.new("RGB", (64, 64), (40, 120, 200))
    picture.paste("red", (20, 20, 40, 40))
    result = levels(fill(picture, hole((64, 64), (20, 20, 40, 40))))
    assert abs(result - (40, 120, 200)).max() <= 6  # premultiplied in 8 bits


def test_each_side_flows_from_its_own_neighbours(levels: Any) -> None:
    picture = Image.new("RGB", (64, 64), "black")
    picture.paste("white", (32, 0, 64, 64))
    row = levels(fill(picture, hole((64, 64), (16, 16, 48, 48))))[32, :, 0]
    inside = row[16:48]
    assert inside[0] < 40
    assert inside[-1] > 215
    assert (inside[1:] - inside[:-1] >= -6).all()


def test_the_masked_content_leaves_no_trace(noise: Any) -> None:
    mask = hole((32, 32), (8, 8, 24, 24))
    first, second = noise(32, 32, seed=1), noise(32, 32, seed=1)
    second.paste(noise(16, 16, seed=2), (8, 8))
    assert fill(first, mask).tobytes() == fill(second, mask).tobytes()


def test_nothing_unmasked_is_black(noise: Any) -> None:
    assert fill(noise(16, 16), Image.new("L", (16, 16), 255)).getextrema() == ((0, 0),) * 3


def test_empty_mask_keeps_the_picture(noise: Any) -> None:
    picture = noise(16, 16)
    assert fill(picture, Image.new("L", (16, 16))).tobytes() == picture.tobytes()


def test_rgb_masks_count_by_luminance(noise: Any) -> None:
    picture, mask = noise(24, 24), hole((24, 24), (4, 4, 12, 12))
    assert fill(picture, mask.convert("RGB")).tobytes() == fill(picture, mask).tobytes()


@pytest.mark.parametrize("level", [64, 128, 200])
def test_half_masked_pixels_show_through(level: Any, levels: Any) -> None:
    picture = Image.new("RGB", (32, 32), "white")
    assert levels(fill(picture, Image.new("L", (32, 32), level))).min() >= 250
