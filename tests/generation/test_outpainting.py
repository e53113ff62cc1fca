"""Outpainting by a padded mask, as docs/generation.md shows it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

PAGE = Path(__file__).resolve().parents[2] / "docs/generation.md"
# The example's sizes, an eighth of them, and how far the mask reaches into the photo.
SIZES = {"640": "80", "512": "64"}
SEAM = 16


@pytest.fixture
def example(tmp_path: Path, photo: Image.Image) -> tuple[Image.Image, Image.Image]:
    """The canvas and the mask that the page's Python makes of the photo, at an eighth of the size."""
    section = PAGE.read_text(encoding="utf-8").split("\n## Outpainting\n", 1)[1]
    found = re.search(r"<<'END'\n(.*?)\nEND\n", section, re.DOTALL)
    assert found is not None
    program = found[1]
    for large, small in SIZES.items():
        program = program.replace(large, small)
    photo.save(tmp_path / "photo.png")
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    with Image.open(tmp_path / "wide.png") as wide, Image.open(tmp_path / "wide-mask.png") as mask:
        return wide.copy(), mask.copy()


def test_the_example_makes_a_canvas_and_a_mask(
    example: tuple[Image.Image, Image.Image], photo: Image.Image
) -> None:
    wide, mask = example
    assert wide.size == mask.size == (80, 64)
    assert wide.crop((0, 0, 64, 64)).tobytes() == photo.tobytes()
    assert mask.getbbox() == (64 - SEAM, 0, 80, 64)


def test_the_picture_grows_and_what_is_not_masked_stays(
    server: Any, read: Any, pictures: Any, photo: Image.Image, example: tuple[Image.Image, Image.Image]
) -> None:
    wide, mask = example
    reply = server.img2img(
        wide,
        mask=pictures.encode(mask),
        width=80,
        height=64,
        denoising_strength=0.9,
        inpainting_fill=0,
        inpaint_full_res=False,
        mask_blur=2,
    )
    made = read.pixels(reply)
    assert made.shape == (64, 80, 3)
    # The blur of 2 reaches 5 pixels.
    kept = 64 - SEAM - 5
    assert np.array_equal(made[:, :kept], np.asarray(photo).astype(int)[:, :kept])
    assert np.abs(made[:, 64:] - np.asarray(wide).astype(int)[:, 64:]).max() > 20
