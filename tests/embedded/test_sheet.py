"""The contact sheet: its prompts, its layout, and that a server draws it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFont

from sdapi_compat.embedded.train import sheet

SMALL = {"steps": 1, "width": 64, "height": 64, "seed": 1, "sampler_name": "Euler"}


def test_48_different_prompts() -> None:
    assert len(sheet.PROMPTS) == len(set(sheet.PROMPTS)) == 48


def test_captions_fit_below_their_pictures() -> None:
    font = ImageFont.load_default(size=10)
    for prompt in sheet.PROMPTS:
        lines = sheet.lines_of(prompt, sheet.SIDE, font)
        assert len(lines) <= 2, prompt
        assert " ".join(lines) == prompt
        assert max(font.getlength(line) for line in lines) <= sheet.SIDE
    assert sheet.lines_of("x" * 200, 20, font) == ["x" * 200]
    assert sheet.lines_of("", 20, font) == []


def test_pictures_lie_in_rows_with_captions() -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)] * 3
    made = sheet.compose([Image.new("RGB", (64, 64), colour) for colour in colours], ["cat"] * 9)
    cell = sheet.SIDE + sheet.CAPTION + sheet.GAP
    assert made.size == (8 * (sheet.SIDE + sheet.GAP) + sheet.GAP, 2 * cell + sheet.GAP)
    for index, colour in enumerate(colours):
        left = sheet.GAP + index % 8 * (sheet.SIDE + sheet.GAP)
        top = sheet.GAP + index // 8 * cell
        assert made.getpixel((left + sheet.SIDE // 2, top + sheet.SIDE // 2)) == colour
        below = made.crop((left, top + sheet.SIDE, left + sheet.SIDE, top + sheet.SIDE + sheet.CAPTION))
        assert below.getextrema()[0][0] < 100


def test_a_sheet_of_noise_is_small_enough(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (1084, 1200, 3), dtype=np.uint8)
    target = tmp_path / "images" / "sheet.jpg"
    sheet.save(Image.fromarray(noise), target)
    assert target.stat().st_size <= sheet.LARGEST_BYTES
    assert Image.open(target).format == "JPEG"


def test_the_command_with_a_server_that_runs(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheet, "PROMPTS", ("cat", "a red heart"))
    monkeypatch.setattr(sheet, "REQUEST", SMALL)
    target = tmp_path / "sheet.jpg"
    monkeypatch.setattr(sys, "argv", ["sheet", "--url", server.url, "--out", str(target)])
    sheet.main()
    assert Image.open(target).width == 8 * (sheet.SIDE + sheet.GAP) + sheet.GAP
