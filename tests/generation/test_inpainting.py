"""Masks: what is painted, what is kept, and what the model is shown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

OUTSIDE = np.ones((64, 64), bool)
OUTSIDE[16:48, 16:48] = False
WHOLE = {"inpaint_full_res": False, "mask_blur": 0}
MASKED = {"inpaint_full_res": True, "mask_blur": 0}


@pytest.fixture
def inpaint(server: Any, pictures: Any, photo: Image.Image, mask: Image.Image) -> Any:
    """img2img of the photo with the mask in its middle, or another one."""

    def post(painted: Image.Image = mask, **fields: Any) -> dict[str, Any]:
        return server.img2img(photo, mask=pictures.encode(painted), **fields)

    return post


@pytest.mark.parametrize("area", [WHOLE, MASKED, MASKED | {"inpaint_full_res_padding": 4}])
@pytest.mark.parametrize("fill", [0, 1, 2, 3])
def test_what_is_not_masked_stays_exactly(
    inpaint: Any, read: Any, photo: Image.Image, area: dict[str, Any], fill: int
) -> None:
    reply = inpaint(**area, inpainting_fill=fill, denoising_strength=1.0)
    made, given = read.pixels(reply), np.asarray(photo).astype(int)
    assert np.array_equal(made[OUTSIDE], given[OUTSIDE])
    assert np.abs(made[~OUTSIDE] - given[~OUTSIDE]).max() > 20


def test_fills_differ_and_are_told(inpaint: Any, read: Any) -> None:
    names = {0: "fill", 1: None, 2: "latent noise", 3: "latent nothing"}
    fields = WHOLE | {"denoising_strength": 0.3, "steps": 5}
    made = {fill: inpaint(**fields, inpainting_fill=fill) for fill in names}
    for fill, name in names.items():
        assert read.pairs(made[fill]).get("Masked content") == name
        for other in range(fill):
            assert read.difference(made[fill], made[other]) > 2, (fill, other)


def test_only_masked_works_at_full_size_and_is_told(inpaint: Any, read: Any) -> None:
    masked = inpaint(**MASKED, inpaint_full_res_padding=8, inpainting_fill=1)
    pairs = read.pairs(masked)
    assert (pairs["Inpaint area"], pairs["Masked area padding"]) == ("Only masked", "8")
    whole = inpaint(**WHOLE, inpainting_fill=1)
    assert "Inpaint area" not in read.pairs(whole)
    assert read.difference(masked, whole) > 2
    assert read.difference(masked, inpaint(**MASKED, inpaint_full_res_padding=0, inpainting_fill=1)) > 2


def test_blur_softens_the_edge(inpaint: Any, read: Any, photo: Image.Image) -> None:
    blurred = inpaint(inpaint_full_res=False, mask_blur=4, inpainting_fill=1, denoising_strength=1.0)
    assert read.pairs(blurred)["Mask blur"] == "4"
    change = np.abs(read.pixels(blurred) - np.asarray(photo).astype(int)).max(axis=2)
    assert change[OUTSIDE].max() > 0, "the blur reaches beyond the mask"
    assert change[:4, :4].max() == 0, "but not everywhere"
    sharp = inpaint(**WHOLE, inpainting_fill=1, denoising_strength=1.0)
    assert "Mask blur" not in read.pairs(sharp)


def test_blur_may_differ_by_axis(inpaint: Any, read: Any) -> None:
    reply = inpaint(inpaint_full_res=False, mask_blur_x=8, mask_blur_y=0, inpainting_fill=1)
    assert "Mask blur" not in read.pairs(reply)
    assert read.difference(reply, inpaint(**WHOLE, inpainting_fill=1)) > 0


@pytest.mark.parametrize("area", [WHOLE, MASKED])
def test_inverting_paints_the_outside(
    inpaint: Any, read: Any, photo: Image.Image, area: dict[str, Any]
) -> None:
    reply = inpaint(**area, inpainting_mask_invert=1, inpainting_fill=1, denoising_strength=1.0)
    made, given = read.pixels(reply), np.asarray(photo).astype(int)
    assert np.array_equal(made[~OUTSIDE], given[~OUTSIDE])
    assert np.abs(made[OUTSIDE] - given[OUTSIDE]).max() > 20
    assert read.pairs(reply)["Mask mode"] == "Inpaint not masked"


def test_an_empty_mask_with_only_masked_is_plain_img2img(
    server: Any, inpaint: Any, photo: Image.Image
) -> None:
    empty = inpaint(Image.new("L", (64, 64)), **MASKED)
    assert empty["images"] == server.img2img(photo)["images"]


def test_an_empty_mask_on_the_whole_picture_gives_the_picture_back(
    inpaint: Any, read: Any, photo: Image.Image
) -> None:
    reply = inpaint(Image.new("L", (64, 64)), **WHOLE, inpainting_fill=1)
    assert np.array_equal(read.pixels(reply), np.asarray(photo).astype(int))


def test_a_full_mask_keeps_nothing(inpaint: Any, server: Any, read: Any, photo: Image.Image) -> None:
    full = inpaint(Image.new("L", (64, 64), 255), **WHOLE, inpainting_fill=1)
    assert read.difference(full, server.img2img(photo)) == 0


def test_a_mask_of_another_size_is_fitted(inpaint: Any, read: Any, photo: Image.Image) -> None:
    mask = Image.new("L", (32, 32))
    mask.paste(255, (8, 8, 24, 24))
    reply = inpaint(mask, **WHOLE, inpainting_fill=1, denoising_strength=1.0)
    change = np.abs(read.pixels(reply) - np.asarray(photo).astype(int)).max(axis=2)
    assert change[:8].max() == 0
    assert change[24:40, 24:40].max() > 20


def test_the_alpha_of_a_mask_counts(inpaint: Any, read: Any, mask: Image.Image) -> None:
    alpha = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    alpha.putalpha(mask)
    reply = inpaint(alpha, **WHOLE, inpainting_fill=1)
    assert read.difference(reply, inpaint(mask, **WHOLE, inpainting_fill=1)) == 0


def test_grey_masks_are_rounded_unless_told_otherwise(inpaint: Any, read: Any) -> None:
    grey = Image.linear_gradient("L").resize((64, 64))
    rounded = inpaint(grey, **WHOLE, inpainting_fill=1)
    soft = inpaint(grey, **WHOLE, inpainting_fill=1, mask_round=False)
    assert read.difference(rounded, soft) > 0


@pytest.mark.parametrize("mode", [0, 1, 2])
@pytest.mark.parametrize("area", [WHOLE, MASKED])
def test_inpainting_into_another_size(
    server: Any, read: Any, pictures: Any, photo: Image.Image, mode: int, area: dict[str, Any]
) -> None:
    wide, painted = photo.resize((96, 64)), Image.new("L", (96, 64))
    painted.paste(255, (32, 16, 64, 48))
    reply = server.img2img(wide, mask=pictures.encode(painted), resize_mode=mode, **area)
    expected = (64, 64) if area is WHOLE else (96, 64)
    assert read.image(reply).size == expected


@pytest.mark.parametrize("sampler", ["Euler a", "DPM++ 2M", "DDIM"])
def test_every_family_of_samplers_keeps_the_outside(
    inpaint: Any, read: Any, photo: Image.Image, sampler: str
) -> None:
    reply = inpaint(**WHOLE, sampler_name=sampler, steps=3, inpainting_fill=2, denoising_strength=1.0)
    assert np.array_equal(read.pixels(reply)[OUTSIDE], np.asarray(photo).astype(int)[OUTSIDE])


def test_masks_can_be_returned(inpaint: Any, read: Any, mask: Image.Image) -> None:
    options = {"return_mask": True, "return_mask_composite": True}
    reply = inpaint(**WHOLE, inpainting_fill=1, override_settings=options)
    assert len(reply["images"]) == 3
    assert len(read.info(reply)["infotexts"]) == 1
    assert np.array_equal(np.asarray(read.image(reply, 1).convert("L")), np.asarray(mask))
    composite = read.image(reply, 2)
    assert composite.mode == "RGBA"
    assert composite.getpixel((0, 0))[3] == 0
    assert composite.getpixel((32, 32))[3] == 255


def test_without_the_overlay_the_outside_is_redrawn(inpaint: Any, read: Any, photo: Image.Image) -> None:
    bare = {"overlay_inpaint": False}
    reply = inpaint(**WHOLE, inpainting_fill=1, override_settings=bare)
    assert not np.array_equal(read.pixels(reply)[OUTSIDE], np.asarray(photo).astype(int)[OUTSIDE])
