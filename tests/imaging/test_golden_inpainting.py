"""The original server's own answers: what it left of the source picture must be what our overlays keep."""

from __future__ import annotations

from typing import Any

import pytest

from sdapi_compat.imaging import grid, overlay
from sdapi_compat.imaging.prepare import ImageSettings, MaskSettings, prepare_image, prepare_mask

# answer, source, mask, mask settings, picture settings: as sent to the original
CASES = [
    ("158-0", "S64", "M64", MaskSettings(64, 64, blur_x=0, blur_y=0, only_masked=False)),
    ("160-0", "S64", "M64", MaskSettings(64, 64, blur_x=2, blur_y=7, only_masked=False)),
    ("161-0", "S64", "M64", MaskSettings(64, 64, inverted=True, only_masked=False)),
    ("164-0", "S64", "MS64", MaskSettings(64, 64, rounded=False, only_masked=False)),
    ("165-0", "S64", "M96x64", MaskSettings(64, 64, only_masked=False)),
    ("169-0", "S96x64", "M96x64", MaskSettings(64, 64, resize_mode=1, only_masked=False)),
    ("170-0", "S64", "M64", MaskSettings(64, 64, only_masked=False)),
    ("153-0", "S128", "M128", MaskSettings(64, 64, padding=8)),
    ("157-0", "S128", "M128", MaskSettings(64, 64, padding=8)),
]


@pytest.mark.parametrize(("answer", "source", "mask", "settings"), CASES, ids=[case[0] for case in CASES])
def test_unmasked_pixels_are_the_sources(
    answer: Any, source: Any, mask: Any, settings: Any, golden: Any, levels: Any
) -> None:
    geometry = prepare_mask(golden(mask), settings)
    image_settings = ImageSettings(settings.width, settings.height, settings.resize_mode)
    prepared = prepare_image(golden(source), image_settings, geometry)
    kept = prepared.overlay.to_pil()
    original = levels(golden(answer))
    ours = levels(overlay.apply(golden(answer), kept).image)
    alpha = levels(kept)[..., 3]
    assert original.shape == ours.shape
    # Laying the overlay on once more changes nothing where it is opaque or absent.
    assert (ours == original)[(alpha == 0) | (alpha == 255)].all()
    assert (alpha == 255).any()
    assert (alpha == 0).any()


@pytest.fixture
def prepared(golden: Any) -> Any:
    geometry = prepare_mask(golden("M64"), MaskSettings(64, 64, only_masked=False))
    return prepare_image(golden("S64"), ImageSettings(64, 64), geometry)


def test_returned_mask_is_equal(prepared: Any, golden: Any) -> None:
    ours = overlay.mask_picture(prepared.overlay_mask.to_pil())
    assert ours.tobytes() == golden("170-1").tobytes()


def test_returned_composite_is_cut_by_the_same_mask(prepared: Any, golden: Any, levels: Any) -> None:
    composite = golden("170-2")
    mask = prepared.overlay_mask.to_pil()
    assert (levels(composite)[..., 3] == levels(mask)).all()
    again = overlay.mask_composite(composite.convert("RGB"), mask)
    assert abs(levels(again) - levels(composite)).max() <= 1


def test_answer_is_the_overlay_on_the_composites_picture(prepared: Any, golden: Any, levels: Any) -> None:
    generated = golden("170-2").convert("RGB")
    ours = overlay.apply(generated, prepared.overlay.to_pil()).image
    masked = levels(golden("170-1"))[..., 0] > 0
    assert abs(levels(ours) - levels(golden("170-0")))[masked].max() <= 1


def test_loopback_grid_is_equal(golden: Any) -> None:
    ours = grid.make([golden("178-1"), golden("178-2")], rows=1)
    assert ours.tobytes() == golden("178-0").tobytes()
