"""The request Structs: order of the echo, defaults, and their Python types."""

from __future__ import annotations

import json
import subprocess
import sys

import msgspec
import pytest

from sdapi_compat.schema.extras import ExtrasSingleImageRequest
from sdapi_compat.schema.img2img import StableDiffusionProcessingImg2Img
from sdapi_compat.schema.own_fields import OWN_FIELDS
from sdapi_compat.schema.txt2img import StableDiffusionProcessingTxt2Img

HEAD = """prompt negative_prompt styles seed subseed subseed_strength seed_resize_from_h seed_resize_from_w
    sampler_name scheduler batch_size n_iter steps cfg_scale width height restore_faces tiling
    do_not_save_samples do_not_save_grid eta denoising_strength s_min_uncond s_churn s_tmax s_tmin s_noise
    override_settings override_settings_restore_afterwards refiner_checkpoint refiner_switch_at
    disable_extra_networks firstpass_image comments"""
TXT2IMG = f"""{HEAD} enable_hr firstphase_width firstphase_height hr_scale hr_upscaler hr_second_pass_steps
    hr_resize_x hr_resize_y hr_checkpoint_name hr_sampler_name hr_scheduler hr_prompt hr_negative_prompt
    force_task_id sampler_index script_name script_args send_images save_images alwayson_scripts infotext"""
IMG2IMG = f"""{HEAD} init_images resize_mode image_cfg_scale mask mask_blur_x mask_blur_y mask_blur mask_round
    inpainting_fill inpaint_full_res inpaint_full_res_padding inpainting_mask_invert initial_noise_multiplier
    latent_mask force_task_id sampler_index include_init_images script_name script_args send_images
    save_images alwayson_scripts infotext"""


def test_the_echo_has_the_order_of_the_original() -> None:
    """Fields of our own come last, and are left out of the echo unless they were sent."""
    own = ["webhook", "webhook_events", "priority", "response_format"]
    assert set(own) == OWN_FIELDS
    assert list(StableDiffusionProcessingTxt2Img.__struct_fields__) == TXT2IMG.split() + own
    assert list(StableDiffusionProcessingImg2Img.__struct_fields__) == IMG2IMG.split() + own


def test_defaults_as_text_are_those_of_the_original() -> None:
    echo = msgspec.json.encode(StableDiffusionProcessingTxt2Img()).decode()
    for entry in (
        '"subseed_strength":0,',
        '"cfg_scale":7.0,',
        '"hr_scale":2.0,',
        '"steps":50,',
        '"seed":-1,',
        '"denoising_strength":null,',
        '"styles":null,',
        '"sampler_index":"Euler",',
        '"script_args":[],',
        '"alwayson_scripts":{},',
        '"override_settings_restore_afterwards":true,',
    ):
        assert entry in echo


def test_img2img_has_defaults_of_its_own() -> None:
    request = StableDiffusionProcessingImg2Img()
    assert request.denoising_strength == 0.75
    assert (request.mask_blur, request.mask_blur_x, request.mask_blur_y) == (None, 4, 4)
    assert (request.inpainting_fill, request.inpaint_full_res, request.inpaint_full_res_padding) == (
        0,
        True,
        0,
    )


def test_extras_defaults_keep_whole_numbers() -> None:
    echo = json.loads(msgspec.json.encode(ExtrasSingleImageRequest()))
    assert type(echo["upscaling_resize"]) is int
    assert type(echo["gfpgan_visibility"]) is int


def test_requests_cannot_be_changed_and_do_not_share_lists() -> None:
    request = StableDiffusionProcessingTxt2Img()
    with pytest.raises(AttributeError):
        request.steps = 1  # type: ignore[misc]
    request.script_args.append(1)
    assert StableDiffusionProcessingTxt2Img().script_args == []


def test_the_folder_loads_neither_the_web_framework_nor_the_models() -> None:
    code = (
        "import sys, sdapi_compat.schema.routes_table, sdapi_compat.schema.openapi, "
        "sdapi_compat.schema.coerce, sdapi_compat.schema.docs_pages; "
        "print([m for m in ('torch', 'diffusers', 'starlette', 'pydantic', 'offapi') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
