"""Latents through a linear map to colours."""

from __future__ import annotations

import numpy as np
import pytest

from sdapi_compat.imaging import previews

# Red from the first channel, green from the second, blue from the third, on middle grey.
TO_RGB = np.array(
    [[0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5], [0, 0, 0], [0.5, 0.5, 0.5]],
    dtype=np.float32,
)


def flat(*channels: float) -> np.ndarray:
    """A latent (4, 2, 3) of one colour."""
    return np.broadcast_to(np.array(channels, dtype=np.float32)[:, None, None], (4, 2, 3)).copy()


@pytest.mark.parametrize(
    ("channels", "colour"),
    [
        ((0, 0, 0, 0), (127, 127, 127)),
        ((1, 0, 0, 0), (255, 127, 127)),
        ((0, -1, 0, 9), (127, 0, 127)),
        ((9, -9, 0.5, 0), (255, 0, 191)),
        ((float("nan"), 0, 0, 0), (0, 0, 0)),
    ],
)
def test_colours(channels: tuple[float, ...], colour: tuple[int, ...]) -> None:
    picture = previews.approximate(flat(*channels), TO_RGB)
    assert picture.size == (3, 2)
    assert picture.getpixel((2, 1)) == colour


def test_a_batch_becomes_a_grid_and_a_single_latent_stays_alone() -> None:
    batch = np.stack([flat(1, 0, 0, 0)] * 3 + [flat(0, 0, 1, 0)])
    sheet = previews.preview(batch, TO_RGB)
    assert sheet.size == (6, 4)
    assert sheet.getpixel((0, 0)) == (255, 127, 127)
    assert sheet.getpixel((5, 3)) == (127, 127, 255)
    assert previews.preview(batch[:1], TO_RGB).size == (3, 2)
