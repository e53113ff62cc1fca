from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdapi_compat.imaging.hires import HiresTarget, hires_target, old_first_pass


@pytest.mark.parametrize(
    ("size", "scale", "resize", "expected"),
    [
        ((64, 64), 2, (0, 0), HiresTarget(128, 128)),
        ((512, 768), 1.5, (0, 0), HiresTarget(768, 1152)),
        ((100, 60), 1.33, (0, 0), HiresTarget(133, 79)),  # 79.8 truncated
        ((512, 768), 9, (1000, 0), HiresTarget(1000, 1500)),
        ((512, 768), 9, (0, 1000), HiresTarget(666, 1000)),  # 666.7
        ((512, 512), 9, (1024, 1024), HiresTarget(1024, 1024)),
        # Golden request 096: covered by 112x112, 4 rows of cells cut.
        ((64, 64), 9, (112, 80), HiresTarget(112, 112, 0, 4)),
        ((64, 64), 9, (80, 112), HiresTarget(112, 112, 4, 0)),
        ((512, 768), 9, (1024, 1024), HiresTarget(1024, 1536, 0, 64)),
    ],
)
def test_targets(size: Any, scale: Any, resize: Any, expected: Any) -> None:
    assert hires_target(size, scale, *resize) == expected


@given(*[st.integers(64, 2048)] * 4)
def test_both_sides_asked_are_covered(width: Any, height: Any, resize_x: Any, resize_y: Any) -> None:
    target = hires_target((width, height), 2, resize_x, resize_y)
    assert target.width >= resize_x - 1
    assert target.height >= resize_y - 1
    assert resize_x in (target.width, -1) or resize_y == target.height
    rows, columns = target.window(target.height // 8, target.width // 8)
    assert rows.stop - rows.start == target.height // 8 - max(target.truncate_y, -1)
    assert columns.start == target.truncate_x // 2


@pytest.mark.parametrize(
    ("truncate", "rows"), [(0, slice(0, 14)), (1, slice(0, 13)), (4, slice(2, 12)), (5, slice(2, 11))]
)
def test_window_cuts_the_odd_cell_at_the_end(truncate: Any, rows: Any) -> None:
    target = HiresTarget(80, 112, 0, truncate)
    assert target.window(14, 10) == (rows, slice(0, 10))


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((512, 512), (512, 512)),
        ((1024, 1024), (512, 512)),
        ((1024, 768), (640, 448)),
        ((768, 1152), (448, 640)),
    ],
)
def test_old_first_pass(size: Any, expected: Any) -> None:
    assert old_first_pass(*size) == expected
