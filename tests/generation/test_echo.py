"""The reply's `parameters`: the request with defaults, coerced but not resolved."""

from __future__ import annotations

from typing import Any

# What the original echoes for a request that says nothing, in its order.
COMMON_ECHO: dict[str, Any] = {
    "prompt": "",
    "negative_prompt": "",
    "styles": None,
    "seed": -1,
    "subseed": -1,
    "subseed_strength": 0,
    "seed_resize_from_h": -1,
    "seed_resize_from_w": -1,
    "sampler_name": None,
    "scheduler": None,
    "batch_size": 1,
    "n_iter": 1,
    "steps": 50,
    "cfg_scale": 7.0,
    "width": 512,
    "height": 512,
    "restore_faces": None,
    "tiling": None,
    "do_not_save_samples": False,
    "do_not_save_grid": False,
    "eta": None,
    "denoising_strength": None,
    "s_min_uncond": None,
    "s_churn": None,
    "s_tmax": None,
    "s_tmin": None,
    "s_noise": None,
    "override_settings": None,
    "override_settings_restore_afterwards": True,
    "refiner_checkpoint": None,
    "refiner_switch_at": None,
    "disable_extra_networks": False,
    "firstpass_image": None,
    "comments": None,
}
HIRES_ECHO: dict[str, Any] = {
    "enable_hr": False,
    "firstphase_width": 0,
    "firstphase_height": 0,
    "hr_scale": 2.0,
    "hr_upscaler": None,
    "hr_second_pass_steps": 0,
    "hr_resize_x": 0,
    "hr_resize_y": 0,
    "hr_checkpoint_name": None,
    "hr_sampler_name": None,
    "hr_scheduler": None,
    "hr_prompt": "",
    "hr_negative_prompt": "",
}
PICTURE_ECHO: dict[str, Any] = {
    "init_images": None,
    "resize_mode": 0,
    "image_cfg_scale": None,
    "mask": None,
    "mask_blur_x": 4,
    "mask_blur_y": 4,
    "mask_blur": None,
    "mask_round": True,
    "inpainting_fill": 0,
    "inpaint_full_res": True,
    "inpaint_full_res_padding": 0,
    "inpainting_mask_invert": 0,
    "initial_noise_multiplier": None,
    "latent_mask": None,
}
FIRST_ECHO: dict[str, Any] = {"force_task_id": None, "sampler_index": "Euler"}
LAST_ECHO: dict[str, Any] = {
    "script_name": None,
    "script_args": [],
    "send_images": True,
    "save_images": False,
    "alwayson_scripts": {},
    "infotext": None,
}
TXT2IMG_ECHO = COMMON_ECHO | HIRES_ECHO | FIRST_ECHO | LAST_ECHO
IMG2IMG_ECHO = (
    COMMON_ECHO
    | {"denoising_strength": 0.75}
    | PICTURE_ECHO
    | FIRST_ECHO
    | {"include_init_images": False}
    | LAST_ECHO
)


def assert_echo(parameters: dict[str, Any], expected: dict[str, Any]) -> None:
    """The same keys in the same order with values of the same types."""
    assert list(parameters) == list(expected)
    assert parameters == expected
    assert {key: type(value) for key, value in parameters.items()} == {
        key: type(value) for key, value in expected.items()
    }


def test_the_parameters_are_the_request_with_defaults(server: Any) -> None:
    sent = {"steps": 1, "width": 64, "height": 64}
    reply = server.post("/sdapi/v1/txt2img", sent)
    assert_echo(reply.json()["parameters"], TXT2IMG_ECHO | sent)


def test_the_parameters_of_img2img(server: Any, pictures: Any, photo: Any) -> None:
    sent = {"steps": 1, "width": 64, "height": 64, "mask_blur": 3, "seed": 4}
    reply = server.post("/sdapi/v1/img2img", sent | {"init_images": [pictures.encode(photo)]})
    assert_echo(reply.json()["parameters"], IMG2IMG_ECHO | sent)


def test_the_parameters_are_coerced_but_not_resolved(server: Any) -> None:
    reply = server.txt2img(
        steps="2", width=64.0, cfg_scale="5", tiling="true", styles=[], sampler_name="nobody", seed=-1
    )
    parameters = reply["parameters"]
    assert (parameters["steps"], parameters["width"], parameters["cfg_scale"]) == (2, 64, 5.0)
    assert (parameters["tiling"], parameters["styles"]) == (True, [])
    assert (parameters["sampler_name"], parameters["seed"]) == ("nobody", -1)


def test_unknown_fields_are_ignored_and_not_echoed(server: Any) -> None:
    reply = server.txt2img(clip_skip=2, nobody_knows={"a": 1})
    assert list(reply["parameters"]) == list(TXT2IMG_ECHO)
    assert reply["images"] == server.txt2img()["images"]
