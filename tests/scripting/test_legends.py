"""The look of legends, from the options."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdapi_compat.errors import Fault
from sdapi_compat.imaging.captions import ROBOTO, CaptionStyle
from sdapi_compat.options.snapshot import Snapshot
from sdapi_compat.scripting import legend_style


def test_defaults_are_those_of_captions() -> None:
    assert legend_style(Snapshot({})) == CaptionStyle()
    assert legend_style(Snapshot({}), 7).margin == 7


def test_options_are_taken() -> None:
    options = {
        "grid_background_color": "black",
        "grid_text_active_color": "#fff",
        "grid_text_inactive_color": "rgb(1, 2, 3)",
        "font": str(ROBOTO),
    }
    style = legend_style(Snapshot(options))
    assert style == CaptionStyle("black", "#fff", "rgb(1, 2, 3)", str(ROBOTO))


@pytest.mark.parametrize(
    "key", ["grid_background_color", "grid_text_active_color", "grid_text_inactive_color"]
)
def test_a_colour_that_is_none_is_named(key: str) -> None:
    with pytest.raises(Fault, match=key) as caught:
        legend_style(Snapshot({key: "no colour"}))
    assert caught.value.name == "ValueError"


def test_a_font_that_cannot_be_read_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "bad.ttf").write_text("this is no font")
    for font in ("missing.ttf", str(tmp_path), str(tmp_path / "bad.ttf"), "/dev/zero"):
        assert legend_style(Snapshot({"font": font})).font is None
