from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sdapi_compat.imaging.grid import GridRule, make, row_count


@pytest.mark.parametrize(
    ("pictures", "rule", "rows"),
    [
        (1, GridRule(), 1),
        (2, GridRule(), 1),  # 1.41
        (3, GridRule(), 2),  # 1.73
        (4, GridRule(), 2),
        (5, GridRule(), 2),  # 2.24
        (6, GridRule(), 2),  # 2.45
        (7, GridRule(), 3),  # 2.65
        (12, GridRule(), 3),
        (13, GridRule(), 4),
        (7, GridRule(prevent_empty_spots=True), 1),
        (8, GridRule(prevent_empty_spots=True), 2),
        (12, GridRule(prevent_empty_spots=True), 3),
        (6, GridRule(n_rows=4), 4),
        (3, GridRule(n_rows=10), 3),
        (8, GridRule(n_rows=0, batch_size=4), 4),
        (2, GridRule(n_rows=0, batch_size=4), 2),
        (5, GridRule(n_rows=0, batch_size=0), 1),
    ],
)
def test_rows(pictures: Any, rule: Any, rows: Any) -> None:
    assert row_count(pictures, rule) == rows


@given(st.integers(1, 500), st.booleans(), st.integers(-1, 20), st.integers(0, 20))
def test_rows_always_hold_all(pictures: Any, prevent: Any, n_rows: Any, batch_size: Any) -> None:
    rows = row_count(pictures, GridRule(n_rows, batch_size, prevent))
    assert 1 <= rows <= pictures
    if prevent and n_rows == -1:
        assert pictures % rows == 0
    assert math.ceil(pictures / rows) * rows >= pictures


def test_pictures_go_row_by_row(noise: Any) -> None:
    pictures = [noise(4, 3, seed=seed) for seed in range(5)]
    sheet = make(pictures, rows=2)
    assert sheet.size == (12, 6)
    for index, picture in enumerate(pictures):
        x, y = index % 3 * 4, index // 3 * 3
        assert sheet.crop((x, y, x + 4, y + 3)).tobytes() == picture.tobytes()
    assert sheet.crop((8, 3, 12, 6)).getextrema() == ((255, 255),) * 3


def test_smaller_pictures_sit_in_the_middle_of_their_cell() -> None:
    sheet = make(
        [Image.new("RGB", (8, 6), "red"), Image.new("RGB", (3, 2), "blue")], rows=1, background="#000000"
    )
    assert sheet.size == (16, 6)
    # (8 - 3) // 2 and (6 - 2) // 2
    assert sheet.crop((10, 2, 13, 4)).getcolors() == [(6, (0, 0, 255))]
    assert dict(sheet.crop((8, 0, 16, 6)).getcolors()[i][::-1] for i in range(2)) == {
        (0, 0, 255): 6,
        (0, 0, 0): 42,
    }


def test_other_modes_become_rgb(noise: Any) -> None:
    assert make([noise(4, 4, "L"), noise(4, 4, "RGBA")], rows=2).mode == "RGB"
