"""Arguments of the X/Y/Z plot."""

from __future__ import annotations

from typing import Any

TITLE = "X/Y/Z plot"
SEED = 5
NOTHING = (0, "", None)
PLAIN = {"draw_legend": False}
FLAGS = {
    "draw_legend": True,
    "lone": False,
    "sub_grids": False,
    "no_fixed": False,
    "vary_x": False,
    "vary_y": False,
    "vary_z": False,
    "margin": 0,
    "csv": False,
}


def arguments(x: Any = NOTHING, y: Any = NOTHING, z: Any = NOTHING, **flags: Any) -> list[Any]:
    """script_args: the three axes as (type, text, names), and what is not at its default."""
    sides = [list(side) + ["", None][len(side) - 1 :] for side in (x, y, z)]
    return [*sides[0], *sides[1], *sides[2], *(FLAGS | flags).values()]
