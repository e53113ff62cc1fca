from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

Noise = Callable[..., Image.Image]
Encoded = Callable[..., str]


@pytest.fixture
def noise() -> Noise:
    """A factory of pictures of fixed random pixels: noise(width, height, mode)."""

    def make(width: int, height: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
        bands = len(Image.new(mode, (1, 1)).getbands())
        shape = (height, width) if bands == 1 else (height, width, bands)
        pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
        return Image.frombytes(mode, (width, height), pixels.tobytes())

    return make


@pytest.fixture
def levels() -> Callable[[Image.Image], NDArray[np.int64]]:
    """A picture's pixels as signed integers, so that differences do not wrap."""
    return lambda image: np.asarray(image).astype(np.int64)


@pytest.fixture
def encoded() -> Encoded:
    """A factory of base64 files: encoded(image, "PNG", **save arguments)."""

    def make(image: Image.Image, file_format: str = "PNG", **arguments: Any) -> str:
        buffer = io.BytesIO()
        image.save(buffer, file_format, **arguments)
        return base64.b64encode(buffer.getvalue()).decode()

    return make


@pytest.fixture
def golden() -> Callable[[str], Image.Image]:
    """Pictures of the original server and the inputs they were made from, by file stem."""
    folder = Path(__file__).parent / "golden"

    def load(stem: str) -> Image.Image:
        with Image.open(folder / f"{stem}.png") as file:
            file.load()
            return file.copy()

    return load
