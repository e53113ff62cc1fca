from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sdapi_compat.imaging import masks, overlay
from sdapi_compat.imaging.fill import fill
from sdapi_compat.imaging.prepare import (
    ImageSettings,
    InpaintGeometry,
    MaskSettings,
    flatten,
    prepare_image,
    prepare_mask,
)
from sdapi_compat.imaging.resize import FILL, resize
from sdapi_compat.imaging.upscalers import BUILT_IN
from sdapi_compat.imaging.wire import Pixels


def painted(size: Any, box: Any) -> Any:
    mask = Image.new("L", size)
    mask.paste(255, box)
    return mask


@pytest.fixture
def mask() -> Any:
    return painted((64, 48), (20, 10, 40, 30))


def test_whole_picture_mask(mask: Any) -> None:
    prepared = prepare_mask(mask, MaskSettings(64, 48, only_masked=False))
    blurred = masks.blur(mask, 4, 4)
    assert prepared == InpaintGeometry(
        Pixels.from_pil(blurred), Pixels.from_pil(masks.doubled(blurred)), crop=None
    )
    assert prepared.paste_to is None


@pytest.mark.parametrize(("mode", "colours"), [(0, "L"), (1, "RGB"), (2, "RGB"), (3, "RGB")])
def test_whole_picture_mask_is_resized_like_the_picture(mode: Any, colours: Any, mask: Any) -> None:
    prepared = prepare_mask(mask, MaskSettings(32, 32, mode, only_masked=False))
    assert prepared.mask.to_pil().tobytes() == resize(mode, masks.blur(mask, 4, 4), 32, 32).tobytes()
    assert (prepared.mask.mode, prepared.overlay_mask.mode) == (colours, colours)
    assert prepared.overlay_mask.size == (32, 32)


def test_only_masked_crops_around_the_blurred_mask(mask: Any) -> None:
    prepared = prepare_mask(mask, MaskSettings(32, 32, blur_x=2, blur_y=2, padding=3))
    # Blur 2 reaches 5 pixels: 15..45 x 5..35, padded 12..48 x 2..38, already square.
    assert prepared.crop == (12, 2, 48, 38)
    assert prepared.paste_to == (12, 2, 36, 36)
    blurred = masks.blur(mask, 2, 2)
    assert prepared.overlay_mask == Pixels.from_pil(blurred)
    assert prepared.mask == Pixels.from_pil(resize(FILL, blurred.crop(prepared.crop), 32, 32))


def test_only_masked_without_a_mask_is_none() -> None:
    blank = Image.new("L", (64, 64))
    assert prepare_mask(blank, MaskSettings(64, 64)) is None
    assert prepare_mask(blank, MaskSettings(64, 64, only_masked=False)) is not None


def test_a_full_mask_inverted_is_none() -> None:
    assert prepare_mask(Image.new("L", (64, 64), 255), MaskSettings(64, 64, inverted=True)) is None


def test_invert_comes_before_blur(mask: Any) -> None:
    prepared = prepare_mask(mask, MaskSettings(64, 48, inverted=True, blur_x=3, blur_y=1, only_masked=False))
    assert prepared.mask == Pixels.from_pil(masks.blur(masks.invert(mask), 3, 1))


def test_alpha_is_the_mask_and_rounding_applies_to_it() -> None:
    picture = Image.new("RGBA", (16, 16), (255, 255, 255, 100))
    for rounded, level in ((True, 0), (False, 100)):
        settings_ = MaskSettings(16, 16, blur_x=0, blur_y=0, rounded=rounded, only_masked=False)
        assert prepare_mask(picture, settings_).mask.to_pil().getextrema() == (level, level)


def test_geometry_can_be_stored(mask: Any) -> None:
    prepared = prepare_mask(mask, MaskSettings(32, 32))
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(prepared), type=InpaintGeometry)
    assert (again, again.paste_to) == (prepared, prepared.paste_to)


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_picture_without_mask_is_resized(mode: Any, noise: Any) -> None:
    picture = noise(40, 20)
    prepared = prepare_image(picture, ImageSettings(32, 32, mode))
    assert prepared.image == Pixels.from_pil(resize(mode, picture, 32, 32))
    assert (prepared.overlay, prepared.overlay_mask) == (None, None)


def test_latent_resize_mode_keeps_the_picture(noise: Any) -> None:
    picture = noise(40, 20)
    assert prepare_image(picture, ImageSettings(32, 32, 3)).image == Pixels.from_pil(picture)


def test_upscaler_is_used_for_pictures(noise: Any) -> None:
    picture = noise(16, 16)
    prepared = prepare_image(picture, ImageSettings(32, 32), upscaler=BUILT_IN[2])
    assert prepared.image == Pixels.from_pil(picture.resize((32, 32), Image.Resampling.NEAREST))


def test_whole_picture_inpainting(noise: Any, mask: Any) -> None:
    picture = noise(64, 48)
    geometry = prepare_mask(mask, MaskSettings(64, 48, only_masked=False))
    prepared = prepare_image(picture, ImageSettings(64, 48), geometry)
    assert prepared.image == Pixels.from_pil(picture)
    assert prepared.overlay_mask == geometry.overlay_mask
    assert prepared.overlay == Pixels.from_pil(overlay.build(picture, geometry.overlay_mask.to_pil()))


@pytest.mark.parametrize("inpainting_fill", [0, 2, 3])
def test_every_fill_but_the_original_fills(inpainting_fill: Any, noise: Any, mask: Any) -> None:
    picture = noise(64, 48)
    geometry = prepare_mask(mask, MaskSettings(64, 48, only_masked=False))
    prepared = prepare_image(picture, ImageSettings(64, 48, inpainting_fill=inpainting_fill), geometry)
    assert prepared.image == Pixels.from_pil(fill(picture, geometry.mask.to_pil()))
    # The overlay is cut from the picture before it is filled.
    assert prepared.overlay == Pixels.from_pil(overlay.build(picture, geometry.overlay_mask.to_pil()))


def test_only_masked_inpainting_works_on_the_crop(noise: Any, mask: Any) -> None:
    picture = noise(64, 48)
    geometry = prepare_mask(mask, MaskSettings(32, 32, padding=2))
    prepared = prepare_image(picture, ImageSettings(32, 32), geometry)
    assert prepared.image == Pixels.from_pil(resize(FILL, picture.crop(geometry.crop), 32, 32))
    assert prepared.overlay.size == (64, 48)


def test_only_masked_ignores_the_resize_mode(noise: Any, mask: Any) -> None:
    picture = noise(64, 48)
    geometry = prepare_mask(mask, MaskSettings(32, 32, 1, padding=2))
    stretched, cropped = (prepare_image(picture, ImageSettings(32, 32, mode), geometry) for mode in (0, 1))
    assert stretched == cropped


def test_latent_resize_mode_fits_the_masks_to_the_picture(noise: Any, mask: Any) -> None:
    picture = noise(64, 48)
    geometry = prepare_mask(mask, MaskSettings(32, 32, 3, only_masked=False))
    prepared = prepare_image(picture, ImageSettings(32, 32, 3, inpainting_fill=0), geometry)
    assert prepared.image.size == prepared.overlay.size == prepared.overlay_mask.size == (64, 48)


@pytest.mark.parametrize(
    ("background", "expected"),
    [("#ffffff", (255, 127, 127)), ("#000000", (128, 0, 0)), ("blue", (128, 0, 127))],
)
def test_flatten_shows_the_background(background: Any, expected: Any) -> None:
    flat = flatten(Image.new("RGBA", (1, 1), (255, 0, 0, 128)), background)
    assert (flat.mode, flat.getpixel((0, 0))) == ("RGB", expected)


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "LA", "1"])
def test_flatten_makes_rgb_of_all(mode: Any) -> None:
    assert flatten(Image.new(mode, (2, 2)), "#ff0000").mode == "RGB"


side = st.integers(8, 48)


@settings(max_examples=40, deadline=None)
@given(st.data(), st.tuples(side, side), st.tuples(side, side), st.booleans(), st.integers(0, 3))
def test_sizes_always_fit(data: Any, size: Any, job_size: Any, only_masked: Any, mode: Any) -> None:
    (width, height), (job_width, job_height) = size, job_size
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    box = (left, top, data.draw(st.integers(left + 1, width)), data.draw(st.integers(top + 1, height)))
    settings_ = MaskSettings(
        job_width, job_height, mode, only_masked=only_masked, padding=data.draw(st.integers(0, 20))
    )
    geometry = prepare_mask(painted((width, height), box), settings_)
    image_settings = ImageSettings(job_width, job_height, mode, inpainting_fill=data.draw(st.integers(0, 3)))
    prepared = prepare_image(Image.new("RGB", (width, height), "teal"), image_settings, geometry)
    assert geometry.mask.size == (job_width, job_height)
    if only_masked or mode != 3:
        assert prepared.image.size == (job_width, job_height)
    result = overlay.apply(
        Image.new("RGB", (job_width, job_height)), prepared.overlay.to_pil(), geometry.paste_to
    )
    expected = (width, height) if only_masked else (job_width, job_height)
    assert result.image.size == expected


@pytest.mark.parametrize("fill_mode", [0, 1])
def test_the_original_is_kept_beside_what_is_encoded(mask: Any, fill_mode: int) -> None:
    picture = Image.linear_gradient("L").resize((64, 48)).convert("RGB")
    geometry = prepare_mask(mask, MaskSettings(64, 48, only_masked=False))
    prepared = prepare_image(picture, ImageSettings(64, 48, inpainting_fill=fill_mode), geometry)
    assert prepared.original == Pixels.from_pil(picture)
    assert (prepared.image == prepared.original) == (fill_mode == 1)


def test_a_latent_mask_says_what_is_filled(mask: Any) -> None:
    picture = Image.linear_gradient("L").resize((64, 48)).convert("RGB")
    geometry = prepare_mask(mask, MaskSettings(64, 48, only_masked=False))
    own = painted((64, 48), (0, 0, 10, 48))
    geometry = msgspec.structs.replace(geometry, latent_mask=Pixels.from_pil(own))
    prepared = prepare_image(picture, ImageSettings(64, 48, inpainting_fill=0), geometry)
    assert prepared.image == Pixels.from_pil(fill(picture, own))
    assert prepared.overlay == prepare_image(picture, ImageSettings(64, 48), geometry).overlay
