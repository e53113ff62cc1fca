from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from sdapi_compat.errors import ApiError, Fault
from sdapi_compat.imaging import extras
from sdapi_compat.imaging.extras import ExtrasUpscale
from sdapi_compat.imaging.upscalers import UpscalerList

UPSCALERS = UpscalerList()


def run(image: Any, **fields: Any) -> Any:
    return extras.apply(image, ExtrasUpscale(**fields), UPSCALERS)


def test_by_factor(noise: Any) -> None:
    picture = noise(100, 64)
    done = run(picture, upscaler_1="Nearest", factor=1.5)
    assert done.image.size == (144, 96)
    assert list(done.info.items()) == [("Postprocess upscale by", 1.5), ("Postprocess upscaler", "Nearest")]


def test_to_size_covers_and_crops(noise: Any) -> None:
    picture = noise(64, 32)
    done = run(picture, resize_mode=1, width=96, height=96, upscaler_1="Lanczos")
    wide = picture.resize((192, 96), Image.Resampling.LANCZOS)
    assert done.image.tobytes() == wide.crop((48, 0, 144, 96)).tobytes()
    assert list(done.info.items()) == [
        ("Postprocess upscale to", "96x96"),
        ("Postprocess crop to", "96x96"),
        ("Postprocess upscaler", "Lanczos"),
    ]


def test_to_size_without_crop_keeps_the_cover(noise: Any) -> None:
    done = run(noise(64, 32), resize_mode=1, width=96, height=96, crop=False, upscaler_1="Lanczos")
    assert done.image.size == (192, 96)
    assert "Postprocess crop to" not in done.info


def test_crop_of_a_size_off_8_has_black_borders() -> None:
    done = run(
        Image.new("RGB", (50, 50), "white"), resize_mode=1, width=100, height=100, upscaler_1="Nearest"
    )
    assert done.image.size == (100, 100)
    # 96x96 at (50 - 48, 50 - 48)
    assert done.image.point(lambda v: v).getbbox() == (2, 2, 98, 98)


@pytest.mark.parametrize("name", ["None", None])
@pytest.mark.parametrize("mode", [0, 1])
def test_no_first_upscaler_does_nothing(name: Any, mode: Any, noise: Any) -> None:
    picture = noise(20, 20, "RGBA")
    done = run(picture, upscaler_1=name, upscaler_2="Lanczos", upscaler_2_visibility=1, resize_mode=mode)
    assert (done.image, done.info) == (picture, {})


@pytest.mark.parametrize("fields", [{"upscaler_1": "nope"}, {"upscaler_1": "Lanczos", "upscaler_2": "nope"}])
def test_unknown_upscaler_is_the_originals_assertion(fields: Any, noise: Any) -> None:
    with pytest.raises(Fault) as caught:
        run(noise(8, 8), **fields)
    assert caught.value.body()["error"] == "AssertionError"
    assert caught.value.body()["errors"] == "could not find upscaler named nope"


@pytest.mark.parametrize(("visibility", "weight"), [(0.25, 0.25), (1, 1)])
def test_second_upscaler_is_blended(visibility: Any, weight: Any, noise: Any) -> None:
    picture = noise(16, 16)
    done = run(
        picture, upscaler_1="Nearest", upscaler_2="Lanczos", upscaler_2_visibility=visibility, factor=2
    )
    first, second = (
        picture.resize((32, 32), method) for method in (Image.Resampling.NEAREST, Image.Resampling.LANCZOS)
    )
    assert done.image.tobytes() == Image.blend(first, second, weight).tobytes()
    assert list(done.info)[-1] == "Postprocess upscaler 2"
    assert done.info["Postprocess upscaler 2"] == "Lanczos"


@pytest.mark.parametrize(
    "fields", [{"upscaler_2_visibility": 0}, {"upscaler_2": "None", "upscaler_2_visibility": 1}]
)
def test_second_upscaler_may_be_absent(fields: Any, noise: Any) -> None:
    picture = noise(16, 16)
    done = run(picture, **{"upscaler_1": "Nearest", "upscaler_2": "Lanczos", **fields})
    assert done.image.tobytes() == picture.resize((32, 32), Image.Resampling.NEAREST).tobytes()
    assert "Postprocess upscaler 2" not in done.info


@pytest.mark.parametrize(("mode", "expected"), [("RGB", "RGB"), ("RGBA", "RGBA"), ("L", "RGB"), ("P", "RGB")])
def test_modes(mode: Any, expected: Any) -> None:
    assert run(Image.new(mode, (8, 8)), upscaler_1="Lanczos").image.mode == expected


def test_rgba_blends_with_a_cropped_second(noise: Any) -> None:
    done = run(noise(16, 16, "RGBA"), upscaler_1="Lanczos", upscaler_2="Nearest", upscaler_2_visibility=0.5)
    assert done.image.mode == "RGBA"


@pytest.mark.parametrize(
    "fields",
    [
        {"factor": 100_000},
        {"resize_mode": 1, "width": 1, "height": 50_000},
        {"factor": 2.1, "max_pixels": 64},
        {"factor": 1e300},
        {"factor": float("inf")},
        {"resize_mode": 1, "width": 10**400, "height": 1},
        {"resize_mode": 1, "width": 1, "height": 10**400},
    ],
)
def test_results_too_large_are_refused(fields: Any, noise: Any) -> None:
    with pytest.raises(ApiError) as caught:
        run(noise(4, 4), upscaler_1="Lanczos", **fields)
    assert caught.value.status == 413
