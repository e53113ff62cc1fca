from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sdapi_compat.errors import Fault
from sdapi_compat.imaging.upscalers import BUILT_IN, LATENT_MODES, NONE, Upscaler, UpscalerList, upscale

LANCZOS, NEAREST = BUILT_IN[1:]


def network(factor: Any, calls: Any) -> Any:
    """A stand-in for a network of fixed factor that counts its passes."""

    def enlarge(image: Any, scale: Any) -> Any:
        calls.append(image.size)
        return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)

    return Upscaler(f"x{factor}", enlarge, scale=float(factor))


def test_built_in_list() -> None:
    assert [(entry.name, entry.scale, entry.model_path) for entry in UpscalerList()] == [
        ("None", 4.0, None),
        ("Lanczos", 4.0, None),
        ("Nearest", 4.0, None),
    ]


def test_others_follow_by_lower_case_name() -> None:
    others = [Upscaler(name, NONE.enlarge) for name in ("SwinIR 4x", "ESRGAN_4x", "dat x2")]
    assert [entry.name for entry in UpscalerList(others)][3:] == ["dat x2", "ESRGAN_4x", "SwinIR 4x"]


def test_finding_by_exact_name() -> None:
    upscalers = UpscalerList()
    assert upscalers.find("Lanczos") is LANCZOS
    assert upscalers.find("lanczos") is None
    assert upscalers.require("None") is NONE


@pytest.mark.parametrize("error", ["Exception", "AssertionError"])
def test_unknown_name_is_a_fault_of_the_callers_class(error: Any) -> None:
    with pytest.raises(Fault) as caught:
        UpscalerList().require("nope", error)
    assert caught.value.body() == {
        "error": error,
        "detail": "",
        "body": "",
        "errors": "could not find upscaler named nope",
    }


@pytest.mark.parametrize(
    ("name", "expected"), [(None, None), ("", None), ("None", None), ("Lanczos", LANCZOS), ("nope", NONE)]
)
def test_option_value_for_resizing(name: Any, expected: Any) -> None:
    assert UpscalerList().for_resize(name) is expected


@pytest.mark.parametrize(
    ("size", "scale", "expected"),
    [
        ((64, 64), 2, (128, 128)),
        ((100, 100), 1.5, (144, 144)),  # 150 floored to a multiple of 8
        ((64, 48), 1.7, (104, 80)),  # 108.8 and 81.6
        ((65, 63), 1, (64, 56)),
        ((100, 100), 0.5, (48, 48)),
        ((7, 5), 1, (8, 8)),  # never under 8
    ],
)
@pytest.mark.parametrize("upscaler", BUILT_IN, ids=lambda entry: entry.name)
def test_result_sizes(upscaler: Any, size: Any, scale: Any, expected: Any, noise: Any) -> None:
    assert upscale(upscaler, noise(*size), scale).size == expected


def test_nearest_doubles_every_pixel(noise: Any, levels: Any) -> None:
    picture = noise(8, 16)
    doubled = levels(picture).repeat(2, axis=0).repeat(2, axis=1)
    assert (levels(upscale(NEAREST, picture, 2)) == doubled).all()


def test_lanczos_and_none_are_one_resampling_when_sizes_fit(noise: Any) -> None:
    picture = noise(16, 8)
    expected = picture.resize((48, 24), Image.Resampling.LANCZOS).tobytes()
    assert upscale(LANCZOS, picture, 3).tobytes() == expected
    assert upscale(NONE, picture, 3).tobytes() == expected


def test_lanczos_resamples_twice_when_they_do_not(noise: Any) -> None:
    picture = noise(20, 20)
    twice = picture.resize((30, 30), Image.Resampling.LANCZOS).resize((24, 24), Image.Resampling.LANCZOS)
    assert upscale(LANCZOS, picture, 1.5).tobytes() == twice.tobytes()


@pytest.mark.parametrize(
    ("factor", "scale", "passes"),
    [
        (4, 0.5, []),  # shrinking needs no network
        (4, 1, [(16, 16)]),  # exactly 1 runs it once
        (4, 2, [(16, 16)]),
        (4, 4, [(16, 16)]),
        (4, 8, [(16, 16), (64, 64)]),
        (2, 8, [(16, 16), (32, 32), (64, 64)]),
        (2, 16, [(16, 16), (32, 32), (64, 64)]),  # at most three
        (1, 4, [(16, 16)]),  # stops when nothing grows
    ],
)
def test_passes_of_a_network(factor: Any, scale: Any, passes: Any, noise: Any) -> None:
    calls = []
    result = upscale(network(factor, calls), noise(16, 16), scale)
    assert calls == passes
    assert result.size == (max(8, int(16 * scale)),) * 2


def test_interrupt_stops_before_the_next_pass(noise: Any) -> None:
    calls = []
    result = upscale(network(2, calls), noise(16, 16), 8, interrupted=lambda: len(calls) == 1)
    assert (len(calls), result.size) == (1, (128, 128))


@settings(max_examples=40, deadline=None)
@given(st.tuples(st.integers(1, 40), st.integers(1, 40)), st.floats(0.05, 5), st.sampled_from([*BUILT_IN]))
def test_sides_are_always_the_floored_multiple_of_8(size: Any, scale: Any, upscaler: Any) -> None:
    result = upscale(upscaler, Image.new("RGB", size), scale)
    assert result.size == tuple(max(8, int(side * scale) // 8 * 8) for side in size)


def test_latent_modes() -> None:
    assert list(LATENT_MODES) == [
        "Latent",
        "Latent (antialiased)",
        "Latent (bicubic)",
        "Latent (bicubic antialiased)",
        "Latent (nearest)",
        "Latent (nearest-exact)",
    ]
    assert LATENT_MODES["Latent"] == ("bilinear", False)
    assert LATENT_MODES["Latent (bicubic antialiased)"] == ("bicubic", True)
    assert LATENT_MODES["Latent (nearest-exact)"] == ("nearest-exact", False)
