"""The look of legends around grids, as the options say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PIL import ImageColor, ImageFont

from sdapi_compat.errors import Fault
from sdapi_compat.imaging.captions import CaptionStyle

if TYPE_CHECKING:
    from sdapi_compat.options.snapshot import Snapshot

ANY_SIZE = 10


def legend_style(options: Snapshot, margin: int = 0) -> CaptionStyle:
    """The three colours and the font of the options; `margin`: pixels between cells.

    A font file that cannot be read is replaced by Roboto, as in A1111 1.10.1. Raises Fault "ValueError" for a
    colour that is none.
    """
    return CaptionStyle(
        background=_colour(options, "grid_background_color"),
        active=_colour(options, "grid_text_active_color"),
        inactive=_colour(options, "grid_text_inactive_color"),
        font=_font(options.text("font")),
        margin=margin,
    )


def _font(path: str) -> str | None:
    if not Path(path).is_file():
        return None
    try:
        ImageFont.truetype(path, ANY_SIZE)
    except OSError:
        return None
    return path


def _colour(options: Snapshot, key: str) -> str:
    try:
        ImageColor.getrgb(options.text(key))
    except ValueError as error:
        raise Fault("ValueError", f"option {key}: {error}") from None
    return options.text(key)
