from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from sdapi_compat.imaging.crop import Box, grow_to_aspect, padded_bounds


def masked(size: Any, box: Any) -> Any:
    mask = Image.new("L", size)
    mask.paste(255, box)
    return mask


@pytest.mark.parametrize(
    ("padding", "expected"),
    [
        (0, (10, 20, 30, 25)),
        (5, (5, 15, 35, 30)),
        (15, (0, 5, 45, 40)),
        (1000, (0, 0, 64, 48)),
        (-3, (10, 20, 30, 25)),
    ],
)
def test_bounds_grow_by_the_padding_inside_the_mask(padding: Any, expected: Any) -> None:
    assert padded_bounds(masked((64, 48), (10, 20, 30, 25)), padding) == expected


def test_bounds_include_the_faintest_pixel() -> None:
    mask = Image.new("L", (10, 10))
    mask.putpixel((9, 4), 1)
    assert padded_bounds(mask, 0) == (9, 4, 10, 5)


def test_empty_mask_has_no_bounds() -> None:
    assert padded_bounds(Image.new("L", (10, 10)), 8) is None


@pytest.mark.parametrize(
    ("box", "job", "image", "expected"),
    [
        # Already of the aspect.
        ((10, 10, 30, 30), (64, 64), (100, 100), (10, 10, 30, 30)),
        # Too wide: grows 5 above and 6 below.
        ((10, 40, 51, 70), (64, 64), (100, 100), (10, 35, 51, 76)),
        # Too tall: grows 5 left and 6 right.
        ((40, 10, 70, 51), (64, 64), (100, 100), (35, 10, 76, 51)),
        # The growth is truncated: 30/1.6 - 10 = 8.75.
        ((0, 40, 30, 50), (16, 10), (100, 100), (0, 36, 30, 54)),
        # Moved up from the bottom, down from the top.
        ((0, 80, 60, 100), (64, 64), (100, 100), (0, 40, 60, 100)),
        ((0, 0, 60, 20), (64, 64), (100, 100), (0, 0, 60, 60)),
        ((80, 0, 100, 60), (64, 64), (100, 100), (40, 0, 100, 60)),
        # The image is too small for the aspect.
        ((0, 10, 100, 20), (64, 64), (100, 50), (0, 0, 100, 50)),
        ((10, 0, 20, 100), (64, 64), (50, 100), (0, 0, 50, 100)),
        # Golden picture 153: 128x128, mask padded by 8.
        ((20, 22, 115, 107), (64, 64), (128, 128), (20, 17, 115, 112)),
    ],
)
def test_growing_to_the_aspect(box: Any, job: Any, image: Any, expected: Any) -> None:
    assert grow_to_aspect(Box(*box), job, image) == expected


def test_paste_to_is_corner_and_size() -> None:
    assert Box(3, 4, 10, 20).paste_to == (3, 4, 7, 16)


side = st.integers(1, 300)


@given(st.data(), side, side, side, side)
def test_region_is_inside_holds_the_box_and_has_the_aspect(
    data: Any, width: Any, height: Any, job_width: Any, job_height: Any
) -> None:
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    box = Box(left, top, data.draw(st.integers(left + 1, width)), data.draw(st.integers(top + 1, height)))
    region = grow_to_aspect(box, (job_width, job_height), (width, height))
    assert 0 <= region.left <= box.left < box.right <= region.right <= width
    assert 0 <= region.top <= box.top < box.bottom <= region.bottom <= height
    ratio = job_width / job_height
    _, _, region_width, region_height = region.paste_to
    assume(region_width < width and region_height < height)
    # The grown side is what the aspect asks for, truncated to whole pixels.
    assert abs(region_width - region_height * ratio) < max(1, ratio)
