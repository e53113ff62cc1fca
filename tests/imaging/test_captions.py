from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops

from sdapi_compat.imaging import grid
from sdapi_compat.imaging.captions import Caption, Captions, CaptionStyle, annotate, prompt_matrix

CELL = (64, 48)


def sheet_of(columns: Any, rows: Any, noise: Any) -> Any:
    return noise(CELL[0] * columns, CELL[1] * rows)


def captions(columns: Any, rows: Any) -> Any:
    return Captions([[Caption(text)] for text in columns], [[Caption(text)] for text in rows])


def ink(picture: Any) -> Any:
    """The box of what is not white."""
    return ImageChops.invert(picture.convert("L")).getbbox()


def test_prompt_matrix_of_three_parts() -> None:
    assert prompt_matrix(["a", "b", "c"]) == Captions(
        columns=[
            [Caption("a", False), Caption("b", False)],
            [Caption("a", True), Caption("b", False)],
            [Caption("a", False), Caption("b", True)],
            [Caption("a", True), Caption("b", True)],
        ],
        rows=[[Caption("c", False)], [Caption("c", True)]],
    )


@pytest.mark.parametrize(
    ("parts", "columns", "rows"), [(0, 1, 1), (1, 2, 1), (2, 2, 2), (3, 4, 2), (4, 4, 4)]
)
def test_prompt_matrix_shape(parts: Any, columns: Any, rows: Any) -> None:
    made = prompt_matrix([f"part {i}" for i in range(parts)])
    assert (len(made.columns), len(made.rows)) == (columns, rows)


def test_without_texts_nothing_is_added(noise: Any) -> None:
    sheet = sheet_of(2, 2, noise)
    assert annotate(sheet, CELL, captions(["", ""], ["", ""])).tobytes() == sheet.tobytes()


def test_column_texts_add_a_margin_on_top_only(noise: Any) -> None:
    sheet = sheet_of(2, 1, noise)
    result = annotate(sheet, CELL, captions(["cat", "dog"], [""]))
    top = result.height - sheet.height
    assert (result.width, top > 4) == (sheet.width, True)
    assert result.crop((0, top, result.width, result.height)).tobytes() == sheet.tobytes()
    for column in range(2):
        left, _, right, bottom = ink(result.crop((64 * column, 0, 64 * (column + 1), top)))
        assert abs((left + right) / 2 - 32) <= 2
        assert bottom < top


def test_row_texts_add_three_quarters_of_a_cell_at_the_left(noise: Any) -> None:
    sheet = sheet_of(1, 2, noise)
    result = annotate(sheet, CELL, captions([""], ["cat", "dog"]))
    assert result.size == (64 + 48, sheet.height)
    assert result.crop((48, 0, 112, sheet.height)).tobytes() == sheet.tobytes()
    for row in range(2):
        box = ink(result.crop((0, 48 * row, 48, 48 * (row + 1))))
        assert abs((box[0] + box[2]) / 2 - 24) <= 2
        assert abs((box[1] + box[3]) / 2 - 24) <= 3


def test_margin_separates_the_cells(noise: Any) -> None:
    sheet = sheet_of(2, 2, noise)
    style = CaptionStyle(background="#102030", margin=5)
    result = annotate(sheet, CELL, captions(["", ""], ["", ""]), style)
    assert result.size == (133, 101)
    assert result.crop((64, 0, 69, 101)).getcolors() == [(505, (16, 32, 48))]
    assert result.crop((69, 53, 133, 101)).tobytes() == sheet.crop((64, 48, 128, 96)).tobytes()


def test_inactive_texts_are_struck_through_in_their_colour(noise: Any) -> None:
    sheet = sheet_of(1, 1, noise)
    style = CaptionStyle(active="#ff0000", inactive="#0000ff")
    struck, plain = (
        annotate(sheet, CELL, Captions([[Caption("cat", active)]], [[Caption("")]]), style).crop(
            (0, 0, 64, 8)
        )
        for active in (False, True)
    )
    blue = next(count for count, value in struck.getcolors() if value == (0, 0, 255))
    assert blue >= 4 * 6  # a bar of four rows under three letters
    assert all(value != (0, 0, 255) for _, value in plain.getcolors())


def test_long_texts_are_wrapped(noise: Any) -> None:
    sheet = sheet_of(1, 1, noise)
    short = annotate(sheet, CELL, captions(["cat"], [""])).height
    long = annotate(sheet, CELL, captions(["a cat that sits on a mat and looks at the moon"], [""])).height
    assert long > short + 4


def test_a_word_too_long_is_set_smaller(noise: Any) -> None:
    sheet = Image.new("RGB", (200, 200), "white")
    word = "unpronounceablecompoundword"
    result = annotate(sheet, (200, 200), captions([""], [word]))
    left, _, right, _ = ink(result.crop((0, 0, 150, 200)))
    assert 0 <= left < right <= 150
    wide = annotate(Image.new("RGB", (400, 400), "white"), (400, 400), captions([""], [word]))
    assert ink(wide.crop((0, 0, 300, 400)))[2] > right


def test_several_captions_stand_below_each_other(noise: Any) -> None:
    sheet = sheet_of(1, 1, noise)
    two = Captions([[Caption("cat"), Caption("dog")]], [[Caption("")]])
    assert annotate(sheet, CELL, two).height > annotate(sheet, CELL, captions(["cat"], [""])).height


def test_a_missing_font_file_is_an_error(noise: Any) -> None:
    with pytest.raises(OSError, match="cannot open"):
        annotate(sheet_of(1, 1, noise), CELL, captions(["a"], [""]), CaptionStyle(font="no-such-font.ttf"))


@pytest.mark.parametrize("text", ["картина", "日本語", "x" * 600])
def test_any_text_is_written(text: str) -> None:
    result = annotate(Image.new("RGB", (400, 400), "white"), (400, 400), captions([text], [""]))
    assert ink(result.crop((0, 0, 400, result.height - 400))) is not None


def test_a_legend_of_the_original_pixel_for_pixel() -> None:
    pictures = Path(__file__).resolve().parents[1] / "parity" / "data" / "pictures"
    cells = [Image.open(pictures / f"086-{number}.png") for number in range(1, 5)]
    result = annotate(grid.make(cells, 2), (64, 64), prompt_matrix(["on a table", "snow"]))
    assert result.tobytes() == Image.open(pictures / "086-0.png").tobytes()
