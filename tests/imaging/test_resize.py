from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sdapi_compat.imaging.resize import CROP, FILL, LATENT, STRETCH, resize
from sdapi_compat.imaging.upscalers import BUILT_IN, NONE

NEAREST = BUILT_IN[2]
LANCZOS = Image.Resampling.LANCZOS
MODES = [STRETCH, CROP, FILL, LATENT, 9, -1]


def test_stretch_is_lanczos(noise: Any) -> None:
    picture = noise(13, 7)
    assert resize(STRETCH, picture, 8, 24).tobytes() == picture.resize((8, 24), LANCZOS).tobytes()


@pytest.mark.parametrize("mode", MODES)
def test_same_size_changes_nothing(mode: Any, noise: Any) -> None:
    picture = noise(16, 24)
    assert resize(mode, picture, 16, 24).tobytes() == picture.tobytes()


@pytest.mark.parametrize(
    ("size", "target", "inner", "corner"),
    [
        ((96, 64), (64, 80), (120, 80), (-28, 0)),  # relatively narrower target: by height
        ((64, 96), (80, 64), (80, 120), (0, -28)),
        ((100, 30), (64, 64), (213, 64), (-74, 0)),  # 213.3 floored; 32 - 106
        ((30, 100), (64, 64), (64, 213), (0, -74)),
    ],
)
def test_cover_geometry(size: Any, target: Any, inner: Any, corner: Any, noise: Any) -> None:
    picture = noise(*size)
    canvas = Image.new("RGB", target)
    canvas.paste(picture.resize(inner, LANCZOS), corner)
    assert resize(CROP, picture, *target).tobytes() == canvas.tobytes()


@pytest.mark.parametrize(
    ("size", "target", "place"),
    [
        ((96, 64), (64, 80), (0, 19, 64, 42)),  # 42.67 floored; 40 - 21
        ((64, 96), (80, 64), (19, 0, 42, 64)),
        ((100, 30), (64, 64), (0, 23, 64, 19)),  # 19.2 floored; 32 - 9
    ],
)
@pytest.mark.parametrize("mode", [FILL, LATENT, 9])
def test_contain_geometry(mode: Any, size: Any, target: Any, place: Any, noise: Any, levels: Any) -> None:
    picture = noise(*size)
    result = levels(resize(mode, picture, *target))
    left, top, width, height = place
    middle = result[top : top + height, left : left + width]
    assert (middle == levels(picture.resize((width, height), LANCZOS))).all()


def test_gaps_repeat_what_the_edge_extrapolates_to(levels: Any) -> None:
    # Bicubic weights at the very edge: 9/8 of the edge row, minus 1/8 of the next.
    rows = np.array([80, 40, 160, 100], dtype=np.uint8)
    picture = Image.fromarray(np.repeat(np.repeat(rows[:, None], 4, axis=1)[..., None], 3, axis=2))
    result = levels(resize(FILL, picture, 4, 10))[:, 0, 0]
    assert result.tolist() == [85, 85, 85, 80, 40, 160, 100, 93, 93, 93]
    turned = levels(resize(FILL, picture.transpose(Image.Transpose.TRANSPOSE), 10, 4))[0, :, 0]
    assert turned.tolist() == result.tolist()


@pytest.mark.parametrize(("width", "height"), [(4, 9), (9, 4), (4, 5), (5, 4), (7, 4)])
def test_gaps_of_odd_sizes_are_filled_to_the_end(width: Any, height: Any) -> None:
    white = Image.new("RGB", (4, 4), "white")
    assert resize(FILL, white, width, height).getextrema() == ((255, 255),) * 3


@pytest.mark.parametrize("mode", [CROP, FILL, LATENT])
def test_all_but_stretch_answer_rgb(mode: Any, noise: Any) -> None:
    assert resize(mode, noise(8, 8, "L"), 16, 8).mode == "RGB"
    assert resize(STRETCH, noise(8, 8, "L"), 16, 8).mode == "L"


def test_upscaler_enlarges(noise: Any) -> None:
    picture = noise(8, 8)
    assert resize(STRETCH, picture, 16, 16, NEAREST).tobytes() == picture.resize((16, 16), 0).tobytes()


def test_upscaler_takes_the_larger_factor_then_lanczos_fits(noise: Any) -> None:
    picture = noise(8, 8)
    expected = picture.resize((24, 24), Image.Resampling.NEAREST).resize((24, 10), LANCZOS)
    assert resize(STRETCH, picture, 24, 10, NEAREST).tobytes() == expected.tobytes()


def test_none_upscaler_passes_through_a_multiple_of_8(noise: Any) -> None:
    picture = noise(8, 8)
    expected = picture.resize((8, 8), LANCZOS).resize((12, 12), LANCZOS)
    assert resize(STRETCH, picture, 12, 12, NONE).tobytes() == expected.tobytes()


@pytest.mark.parametrize(("mode", "target"), [("RGB", (6, 6)), ("RGB", (8, 8)), ("L", (16, 16))])
def test_upscaler_is_not_asked_to_shrink_or_for_masks(mode: Any, target: Any, noise: Any) -> None:
    picture = noise(8, 8, mode)
    assert resize(STRETCH, picture, *target, NEAREST).tobytes() == picture.resize(target, LANCZOS).tobytes()


sides = st.integers(1, 70)


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(MODES), st.sampled_from(["L", "RGB", "RGBA"]), sides, sides, sides, sides)
def test_size_is_always_exact(
    mode: Any, colours: Any, width: Any, height: Any, target_width: Any, target_height: Any
) -> None:
    picture = Image.new(colours, (width, height))
    assert resize(mode, picture, target_width, target_height).size == (target_width, target_height)


@settings(max_examples=60, deadline=None)
@given(sides, sides, sides, sides)
def test_plain_pictures_stay_plain(width: Any, height: Any, target_width: Any, target_height: Any) -> None:
    # No mode leaves a black border or crops into nothing.
    picture = Image.new("RGB", (width, height), (10, 200, 90))
    for mode in (STRETCH, FILL):
        assert resize(mode, picture, target_width, target_height).getcolors() == [
            (target_width * target_height, (10, 200, 90))
        ]
