"""From a request's body to what was asked: nulls, old fields, and numbers nothing can be made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from sdapi_compat.errors import ApiError, InvalidRequest
from sdapi_compat.plan.checks import MOST
from sdapi_compat.plan.draft import Draft

Make = Callable[..., Draft]

NULLABLE = {
    "prompt": "",
    "negative_prompt": "",
    "styles": (),
    "seed": -1,
    "subseed": -1,
    "subseed_strength": 0,
    "seed_resize_from_h": -1,
    "seed_resize_from_w": -1,
    "batch_size": 1,
    "n_iter": 1,
    "steps": 50,
    "cfg_scale": 7.0,
    "width": 512,
    "height": 512,
    "tiling": False,
    "disable_extra_networks": False,
}


def test_an_empty_body_has_the_original_defaults(txt2img: Make) -> None:
    draft = txt2img(seed=-1, subseed=-1)
    assert {name: getattr(draft, name) for name in NULLABLE} == NULLABLE
    assert (draft.kind, draft.sampler, draft.scheduler) == ("txt2img", "Euler", "Automatic")
    assert draft.denoising_strength is None
    assert draft.hires is None
    assert draft.picture is None
    assert not draft.save_images


@pytest.mark.parametrize(("name", "default"), NULLABLE.items())
def test_null_means_the_default(txt2img: Make, name: str, default: Any) -> None:
    assert getattr(txt2img(**{name: None}), name) == default


@pytest.mark.parametrize(
    ("sampler", "scheduler", "expected"),
    [
        ("Euler a", None, ("Euler a", "Automatic")),
        ("DPM++ 2M Karras", None, ("DPM++ 2M", "Automatic")),
        ("Euler Karras", None, ("Euler", "Karras")),
        ("Euler", "karras", ("Euler", "Karras")),
        ("Euler", "Karras", ("Euler", "Karras")),
        ("Euler Karras", "exponential", ("Euler", "Exponential")),
        ("nobody", None, ("DPM++ 2M", "Automatic")),
        ("Euler", "nobody", ("Euler", "Automatic")),
    ],
)
def test_sampler_and_scheduler_texts_are_resolved(
    txt2img: Make, sampler: str, scheduler: str | None, expected: tuple[str, str]
) -> None:
    draft = txt2img(sampler_name=sampler, scheduler=scheduler)
    assert (draft.sampler, draft.scheduler) == expected


def test_sampler_index_counts_only_without_a_sampler_name(txt2img: Make) -> None:
    assert txt2img(sampler_index="Heun").sampler == "Heun"
    assert txt2img(sampler_index="Heun", sampler_name="LMS").sampler == "LMS"
    assert txt2img(sampler_index="Heun", sampler_name="").sampler == "Heun"


def test_tiling_comes_from_the_options_when_null(txt2img: Make) -> None:
    options = {"tiling": True, "face_restoration": True}
    assert txt2img(options).tiling
    assert not txt2img(options, tiling=False).tiling


def test_a_grid_comes_only_with_saved_pictures(txt2img: Make) -> None:
    assert not txt2img(do_not_save_grid=False).grid
    assert txt2img(save_images=True, do_not_save_grid=True, do_not_save_samples=True).grid


@pytest.mark.parametrize("name", ["width", "height"])
def test_sides_outside_the_limits_are_refused(txt2img: Make, name: str) -> None:
    assert getattr(txt2img(**{name: 8}), name) == 8
    assert getattr(txt2img(**{name: 2048}), name) == 2048
    for bad, bound in ((7, "8"), (0, "8"), (-64, "8"), (2049, "2048")):
        with pytest.raises(InvalidRequest, match=rf"body\.{name}: .* {bound}"):
            txt2img(**{name: bad})


@pytest.mark.parametrize("name", ["batch_size", "n_iter", "steps"])
def test_counts_outside_the_limits_are_refused(txt2img: Make, name: str) -> None:
    assert getattr(txt2img(**{name: MOST[name]}), name) == MOST[name]
    for bad in (0, -1, MOST[name] + 1, 10**12):
        with pytest.raises(InvalidRequest, match=rf"body\.{name}"):
            txt2img(**{name: bad})


def test_all_bad_numbers_are_reported_at_once(txt2img: Make) -> None:
    with pytest.raises(InvalidRequest) as caught:
        txt2img(width=1, height=9999, steps=0)
    assert [problem.loc for problem in caught.value.problems] == [
        ("body", "width"),
        ("body", "steps"),
        ("body", "height"),
    ]


def test_firstphase_replaces_the_size_even_without_hires(txt2img: Make) -> None:
    draft = txt2img(width=512, height=512, firstphase_width=128, firstphase_height=64)
    assert (draft.width, draft.height) == (128, 64)


def test_one_firstphase_side_alone_is_refused(txt2img: Make) -> None:
    with pytest.raises(InvalidRequest, match=r"body\.height"):
        txt2img(firstphase_width=128)


def test_hires_fields_are_taken_as_asked(txt2img: Make) -> None:
    draft = txt2img(
        enable_hr=True,
        denoising_strength=0.5,
        hr_scale=1.5,
        hr_upscaler="Lanczos",
        hr_second_pass_steps=7,
        hr_checkpoint_name="other",
        hr_sampler_name="Heun",
        hr_scheduler="karras",
        hr_prompt="p",
        hr_negative_prompt="n",
    )
    hires = draft.hires
    assert hires is not None
    assert (hires.scale, hires.upscaler, hires.steps) == (1.5, "Lanczos", 7)
    assert (hires.checkpoint, hires.sampler, hires.scheduler) == ("other", "Heun", "karras")
    assert (hires.prompt, hires.negative_prompt) == ("p", "n")


def test_hires_without_a_strength_is_refused(txt2img: Make) -> None:
    with pytest.raises(InvalidRequest, match=r"denoising_strength: field required with enable_hr"):
        txt2img(enable_hr=True)


def test_hires_nulls_are_defaults(txt2img: Make) -> None:
    nulls = dict.fromkeys(["hr_scale", "hr_second_pass_steps", "hr_resize_x", "hr_resize_y", "hr_prompt"])
    hires = txt2img(enable_hr=True, denoising_strength=0.5, **nulls).hires
    assert hires is not None
    assert (hires.scale, hires.steps, hires.resize_x, hires.resize_y, hires.prompt) == (2.0, 0, 0, 0, "")


@pytest.mark.parametrize(
    ("fields", "blamed"),
    [
        ({"hr_scale": 0.0}, "hr_scale"),
        ({"hr_scale": -2.0}, "hr_scale"),
        ({"hr_scale": 100.0}, "hr_scale"),
        ({"hr_scale": 1e38}, "hr_scale"),
        ({"hr_resize_x": 4096}, "hr_resize_x"),
        ({"hr_resize_y": -8}, "hr_resize_x"),
        ({"hr_resize_x": 2048, "hr_resize_y": 8, "height": 1024}, "hr_resize_x"),
    ],
)
def test_a_second_pass_outside_the_limits_is_refused(
    txt2img: Make, fields: dict[str, Any], blamed: str
) -> None:
    with pytest.raises(InvalidRequest, match=rf"body\.{blamed}: ensure the second pass has 8 to 2048"):
        txt2img(enable_hr=True, denoising_strength=0.5, **fields)


@pytest.mark.parametrize("steps", [-1, MOST["steps"] + 1])
def test_second_pass_steps_outside_the_limits_are_refused(txt2img: Make, steps: int) -> None:
    with pytest.raises(InvalidRequest, match=r"body\.hr_second_pass_steps: .* 0 and 10000"):
        txt2img(enable_hr=True, denoising_strength=0.5, hr_second_pass_steps=steps)


def test_a_second_pass_nobody_asked_for_is_not_checked(txt2img: Make) -> None:
    assert txt2img(hr_scale=1000.0).hires is None


def test_img2img_defaults(img2img: Make) -> None:
    draft = img2img()
    picture = draft.picture
    assert picture is not None
    assert draft.kind == "img2img"
    assert draft.denoising_strength == 0.75
    assert (picture.mask_blur_x, picture.mask_blur_y, picture.mask_round) == (4, 4, True)
    assert (picture.inpainting_fill, picture.full_res, picture.full_res_padding) == (0, True, 0)
    assert (picture.mask, picture.invert, picture.noise_multiplier) == (None, False, None)


def test_mask_blur_overrides_both_axes(img2img: Make) -> None:
    def blurs(**fields: Any) -> tuple[int, int]:
        picture = img2img(**fields).picture
        assert picture is not None
        return picture.mask_blur_x, picture.mask_blur_y

    assert blurs(mask_blur=9) == (9, 9)
    assert blurs(mask_blur=0, mask_blur_x=3) == (0, 0)
    assert blurs(mask_blur_x=1, mask_blur_y=2) == (1, 2)


def test_missing_init_images_are_not_found(img2img: Make) -> None:
    with pytest.raises(ApiError, match="Init image not found") as caught:
        img2img(init_images=None)
    assert caught.value.status == 404


def test_an_empty_list_of_init_images_is_refused(img2img: Make) -> None:
    with pytest.raises(InvalidRequest, match="init_images"):
        img2img(init_images=[])


@pytest.mark.parametrize("name", ["init_images", "mask"])
def test_an_undecodable_picture_is_the_original_error(img2img: Make, name: str) -> None:
    broken: Any = ["nothing"] if name == "init_images" else "nothing"
    with pytest.raises(ApiError, match="Invalid encoded image") as caught:
        img2img(**{name: broken})
    assert caught.value.status == 500


def test_a_picture_beyond_the_limits_is_refused(img2img: Make) -> None:
    with pytest.raises(ApiError) as caught:
        img2img(init_images=[Image.new("L", (1025, 1024))])
    assert caught.value.status == 413


def test_an_empty_mask_text_is_no_mask(img2img: Make) -> None:
    picture = img2img(mask="").picture
    assert picture is not None
    assert picture.mask is None


def test_change_leaves_the_original_alone(txt2img: Make) -> None:
    draft = txt2img(steps=3)
    assert draft.change(steps=4, extra={"Script": "x"}).steps == 4
    assert draft.steps == 3
    assert draft.extra == {}


def test_fixed_seed_is_the_first_image_seed(txt2img: Make) -> None:
    assert txt2img(seed=7).fixed_seed() == 7
    assert txt2img().change(seed=(9, 10)).fixed_seed() == 9
    assert txt2img(seed=-1).fixed_seed() >= 0
