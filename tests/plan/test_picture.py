"""The picture side of img2img: what is prepared, and what the infotext says of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sdapi_compat.errors import Fault
from sdapi_compat.plan.plan import Plan, Source

PlanOf = Callable[..., Plan]
RED = Image.new("RGB", (64, 64), "red")


def square_mask(size: tuple[int, int] = (64, 64), box: tuple[int, ...] = (16, 16, 48, 48)) -> Image.Image:
    """White where something new is to come."""
    mask = Image.new("L", size)
    mask.paste(255, box)
    return mask


@pytest.fixture
def planned(plan_of: PlanOf) -> PlanOf:
    """A Plan from a red picture."""

    def make(options: dict[str, Any] | None = None, **fields: Any) -> Plan:
        body = {"init_images": [RED], "width": 64, "height": 64, "steps": 8, "mask_blur": 0}
        return plan_of(options, **(body | fields))

    return make


def source(plan: Plan) -> Source:
    assert plan.source is not None
    return plan.source


def test_a_picture_without_a_mask(planned: PlanOf) -> None:
    plan = planned(denoising_strength=0.6)
    made = source(plan)
    assert [one.size for one in made.pictures] == [(64, 64)]
    assert (made.mask, made.overlays, made.overlay_masks, made.paste_to) == (None, (), (), None)
    assert made.fill == 1, "nothing is filled where there is no mask"
    assert plan.report.extra == {"Denoising strength": 0.6}


@pytest.mark.parametrize(("mode", "size"), [(0, (32, 48)), (1, (32, 48)), (2, (32, 48)), (3, (64, 64))])
def test_resize_modes(planned: PlanOf, mode: int, size: tuple[int, int]) -> None:
    made = source(planned(resize_mode=mode, width=32, height=48))
    assert made.pictures[0].size == size
    assert made.resize_latent == (mode == 3)


def test_a_transparent_picture_is_laid_on_the_background_colour(planned: PlanOf) -> None:
    clear = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    white = source(planned(init_images=[clear])).pictures[0]
    assert white.to_pil().getpixel((0, 0)) == (255, 255, 255)
    blue = source(planned({"img2img_background_color": "#0000ff"}, init_images=[clear])).pictures[0]
    assert blue.to_pil().getpixel((0, 0)) == (0, 0, 255)


def test_more_pictures_than_a_batch_holds_are_the_original_error(planned: PlanOf) -> None:
    with pytest.raises(Fault, match="bad number of images passed: 2") as caught:
        planned(init_images=[RED, RED])
    assert caught.value.name == "RuntimeError"
    assert len(source(planned(init_images=[RED, RED], batch_size=2)).pictures) == 2


def test_several_pictures_are_one_batch(planned: PlanOf) -> None:
    plan = planned(init_images=[RED, RED], batch_size=3, n_iter=2)
    assert (plan.batch_size, len(plan.seeds)) == (2, 4)
    assert planned(batch_size=3).batch_size == 3, "a single picture serves the whole batch"


def test_whole_picture_inpainting(planned: PlanOf) -> None:
    plan = planned(mask=square_mask(), inpaint_full_res=False, inpainting_fill=1)
    made = source(plan)
    assert made.mask is not None
    assert made.paste_to is None
    assert np.array_equal(np.asarray(made.mask.to_pil()), np.asarray(square_mask()))
    assert "Inpaint area" not in plan.report.extra
    assert "Mask blur" not in plan.report.extra
    alpha = np.asarray(made.overlays[0].to_pil())[..., 3]
    assert np.array_equal(alpha, 255 - np.asarray(square_mask())), "what is kept is laid over the result"


def test_only_masked_inpainting_works_on_the_box_of_the_mask(planned: PlanOf) -> None:
    plan = planned(mask=square_mask(), inpaint_full_res=True, inpaint_full_res_padding=8)
    made = source(plan)
    assert made.paste_to == (8, 8, 48, 48)
    assert made.pictures[0].size == (64, 64)
    assert plan.report.extra == {
        "Denoising strength": 0.75,
        "Inpaint area": "Only masked",
        "Masked area padding": 8,
        "Masked content": "fill",
    }


def test_an_empty_mask_with_only_masked_is_plain_img2img(planned: PlanOf) -> None:
    plan = planned(mask=Image.new("L", (64, 64)), inpaint_full_res=True)
    assert source(plan).mask is None
    assert source(plan).fill == 1
    assert plan.report.extra == {"Denoising strength": 0.75}


def test_an_empty_mask_on_the_whole_picture_keeps_everything(planned: PlanOf) -> None:
    made = source(planned(mask=Image.new("L", (64, 64)), inpaint_full_res=False))
    assert made.mask is not None
    assert not np.asarray(made.mask.to_pil()).any()


@pytest.mark.parametrize(
    ("fill", "name"), [(0, "fill"), (1, None), (2, "latent noise"), (3, "latent nothing")]
)
def test_masked_content(planned: PlanOf, fill: int, name: str | None) -> None:
    photo = Image.effect_noise((64, 64), 90).convert("RGB")
    plan = planned(init_images=[photo], mask=square_mask(), inpaint_full_res=False, inpainting_fill=fill)
    assert plan.report.extra.get("Masked content") == name
    inside = np.s_[24:40, 24:40]
    unfilled = np.asarray(photo)[inside]
    prepared = np.asarray(source(plan).pictures[0].to_pil())[inside]
    assert np.array_equal(prepared, unfilled) == (fill == 1)


def test_inverting_the_mask(planned: PlanOf) -> None:
    plan = planned(mask=square_mask(), inpainting_mask_invert=1, inpaint_full_res=False)
    made = source(plan)
    assert made.mask is not None
    assert np.array_equal(np.asarray(made.mask.to_pil()), 255 - np.asarray(square_mask()))
    assert plan.report.extra["Mask mode"] == "Inpaint not masked"


def test_mask_blur_is_told_where_both_axes_agree(planned: PlanOf) -> None:
    assert planned(mask=square_mask(), mask_blur=4).report.extra["Mask blur"] == 4
    uneven = {"mask_blur": None, "mask_blur_x": 4, "mask_blur_y": 2}
    assert planned(mask=square_mask(), **uneven).report.extra["Mask blur"] is None
    assert "Mask blur" not in planned(mask_blur=4).report.extra, "without a mask nothing is blurred"


def test_a_mask_of_another_size_is_fitted(planned: PlanOf) -> None:
    made = source(planned(mask=square_mask((32, 32), (8, 8, 24, 24)), inpaint_full_res=False))
    assert made.mask is not None
    assert made.mask.size == (64, 64)
    assert made.overlays[0].size == (64, 64)


def test_noise_options(planned: PlanOf) -> None:
    plan = planned({"initial_noise_multiplier": 0.8, "img2img_extra_noise": 0.3})
    made = source(plan)
    assert (made.noise_multiplier, made.extra_noise) == (0.8, 0.3)
    asked = planned({"initial_noise_multiplier": 0.8}, initial_noise_multiplier=1.0)
    assert source(asked).noise_multiplier == 1.0


def test_options_about_overlays_and_colours(planned: PlanOf) -> None:
    options = {"img2img_color_correction": True, "overlay_inpaint": False, "upscaler_for_img2img": "Nearest"}
    made = source(planned(options, mask=square_mask(), inpaint_full_res=False))
    assert made.color_correction
    assert made.upscaler == "Nearest"
    assert made.overlays == ()
    assert len(made.overlay_masks) == 1


@pytest.mark.parametrize(
    ("strength", "fixed", "total", "t_enc"),
    [
        (0.75, False, 8, 6),
        (0.5, False, 8, 4),
        (1.0, False, 8, 7),
        (5.0, False, 8, 7),
        (0.0, False, 8, 0),
        (-3.0, False, 8, 0),
        (0.5, True, 16, 7),
        (1.0, True, 8, 7),
        (0.0, True, 8, 0),
        (1e-4, True, 80_000, 7),
        (2e-5, True, 100_000, 7),
        (1e-300, True, 8, 0),
    ],
)
def test_how_many_steps_are_run(
    planned: PlanOf, strength: float, fixed: bool, total: int, t_enc: int
) -> None:
    rules = planned({"img2img_fix_steps": fixed}, denoising_strength=strength).sampler
    assert (rules.recipe.steps, rules.t_enc) == (total, t_enc)
