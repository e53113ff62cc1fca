from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sdapi_compat.imaging import overlay
from sdapi_compat.imaging.upscalers import BUILT_IN

NEAREST = BUILT_IN[2]


def mask_of(size: Any, box: Any, level: Any = 255) -> Any:
    mask = Image.new("L", size)
    mask.paste(level, box)
    return mask


def test_overlay_is_the_picture_where_unmasked(noise: Any, levels: Any) -> None:
    picture = noise(8, 6)
    built = levels(overlay.build(picture, mask_of((8, 6), (2, 2, 5, 4))))
    inside = built[2:4, 2:5]
    assert (inside == 0).all()
    outside = built[..., 3] == 255
    assert outside.sum() == 8 * 6 - 6
    assert (built[outside][:, :3] == levels(picture)[outside]).all()


def test_overlay_of_a_grey_mask_is_half_there() -> None:
    built = overlay.build(Image.new("RGB", (1, 1), (200, 100, 50)), Image.new("L", (1, 1), 100))
    red, green, blue, alpha = built.getpixel((0, 0))
    assert alpha == 155
    # Premultiplied in 8 bits and back costs at most a level or two.
    assert (red, green, blue) == pytest.approx((200, 100, 50), abs=2)


def test_no_overlay_changes_nothing(noise: Any) -> None:
    picture = noise(4, 4)
    assert overlay.apply(picture, None) == overlay.Composited(picture, picture)


def test_masked_part_is_the_generated_one(noise: Any, levels: Any) -> None:
    source, generated = noise(8, 8, seed=1), noise(8, 8, seed=2)
    box = (3, 0, 8, 5)
    result = overlay.apply(generated, overlay.build(source, mask_of((8, 8), box)))
    expected = source.copy()
    expected.paste(generated.crop(box), box)
    assert result.image.mode == "RGB"
    assert result.image.tobytes() == expected.tobytes()
    assert result.generated.tobytes() == generated.tobytes()


def test_half_masked_part_is_a_mixture(levels: Any) -> None:
    source, generated = Image.new("RGB", (1, 1), "white"), Image.new("RGB", (1, 1), "black")
    result = overlay.apply(generated, overlay.build(source, Image.new("L", (1, 1), 128)))
    assert abs(levels(result.image) - 127).max() <= 1


def test_only_masked_result_is_pasted_into_its_place(noise: Any) -> None:
    source, generated = noise(20, 16), noise(4, 4, seed=5)
    kept = overlay.build(source, mask_of((20, 16), (6, 2, 14, 10)))
    result = overlay.apply(generated, kept, (6, 2, 8, 8), NEAREST)
    expected = source.copy()
    expected.paste(generated.resize((8, 8), Image.Resampling.NEAREST), (6, 2))
    assert result.image.tobytes() == expected.tobytes()
    assert (result.generated.mode, result.generated.size) == ("RGBA", (20, 16))
    assert result.generated.getpixel((0, 0)) == (0, 0, 0, 0)


def test_place_of_another_aspect_is_covered(noise: Any, levels: Any) -> None:
    source, generated = noise(20, 16), Image.new("RGB", (8, 8), "red")
    kept = overlay.build(source, mask_of((20, 16), (2, 2, 18, 8)))
    result = overlay.apply(generated, kept, (2, 2, 16, 6))
    assert (levels(result.image)[2:8, 2:18] == (255, 0, 0)).all()


def test_mask_picture_is_rgb() -> None:
    picture = overlay.mask_picture(Image.new("L", (2, 2), 77))
    assert (picture.mode, picture.getpixel((0, 0))) == ("RGB", (77, 77, 77))


def test_mask_composite_keeps_what_is_masked(noise: Any, levels: Any) -> None:
    generated = noise(8, 8)
    composite = levels(overlay.mask_composite(generated, mask_of((8, 8), (0, 0, 4, 8))))
    assert (composite[:, :4, :3] == levels(generated)[:, :4]).all()
    assert (composite[:, :4, 3] == 255).all()
    assert (composite[:, 4:] == 0).all()


def test_mask_composite_fits_a_mask_of_another_size(noise: Any) -> None:
    composite = overlay.mask_composite(noise(8, 8), Image.new("L", (16, 16), 255))
    assert (composite.mode, composite.size) == ("RGBA", (8, 8))
    assert composite.getchannel("A").getextrema() == (255, 255)


@settings(max_examples=40, deadline=None)
@given(
    st.binary(min_size=48, max_size=48),
    st.binary(min_size=48, max_size=48),
    st.binary(min_size=16, max_size=16),
)
def test_unmasked_pixels_are_never_touched(source: Any, generated: Any, mask: Any) -> None:
    mask = bytes(0 if value < 100 else value for value in mask)
    kept = overlay.build(Image.frombytes("RGB", (4, 4), source), Image.frombytes("L", (4, 4), mask))
    result = overlay.apply(Image.frombytes("RGB", (4, 4), generated), kept).image.tobytes()
    for i, level in enumerate(mask):
        if level == 0:
            assert result[3 * i : 3 * i + 3] == source[3 * i : 3 * i + 3]
        if level == 255:
            assert result[3 * i : 3 * i + 3] == generated[3 * i : 3 * i + 3]


def test_a_mask_of_the_result_becomes_one_of_the_whole_picture() -> None:
    mask = Image.linear_gradient("L").resize((32, 32))
    assert overlay.uncropped(mask, (32, 32), None).tobytes() == mask.tobytes()
    assert overlay.uncropped(mask, (64, 48), None).size == (64, 48)
    placed = overlay.uncropped(mask, (64, 48), (10, 8, 16, 16))
    assert (placed.mode, placed.size) == ("L", (64, 48))
    left, top, right, bottom = placed.getbbox()
    assert (left, right, bottom) == (10, 26, 24)
    assert 8 <= top < 10
