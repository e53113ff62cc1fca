"""What real clients send: one test or more for each habit that breaks naive servers.

The numbers are those of the list of client surprises the project was planned with.
"""

from __future__ import annotations

import json
from http.client import HTTPConnection
from typing import Any

import pytest
from PIL import Image

TINY = {"prompt": "x", "steps": 1, "width": 64, "height": 64, "seed": 1, "sampler_name": "Euler"}
TXT2IMG = "/sdapi/v1/txt2img"
OPTIONS = "/sdapi/v1/options"


@pytest.mark.parametrize("kind", [None, "application/json; charset=UTF-8", "application/json"])
def test_01_json_is_read_without_a_content_type(server: Any, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    reply = server.http.post(TXT2IMG, content=json.dumps(TINY), headers=headers)
    assert reply.status_code == 200
    assert len(reply.json()["images"]) == 1


def test_01_text_plain_is_refused(server: Any) -> None:
    reply = server.http.post(TXT2IMG, content=json.dumps(TINY), headers={"Content-Type": "text/plain"})
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["type"] == "type_error.dict"


def test_02_all_options_can_be_posted_back(server: Any) -> None:
    before = server.get(OPTIONS).json()
    reply = server.post(OPTIONS, before)
    assert (reply.status_code, reply.text) == (200, "null")
    assert server.get(OPTIONS).json() == before
    assert len(before) >= 312


def test_02_an_unknown_option_is_a_key_error(server: Any) -> None:
    reply = server.post(OPTIONS, {"nope": 1})
    assert reply.status_code == 500
    assert reply.json() == {"error": "KeyError", "detail": "", "body": "", "errors": "'nope'"}


def test_03_options_that_kobold_lite_overrides_exist(server: Any) -> None:
    overrides = {
        "sd_model_checkpoint": server.get("/sdapi/v1/sd-models").json()[0]["title"],
        "eta_noise_seed_delta": 0.0,
        "CLIP_stop_at_last_layers": 1.0,
        "ddim_discretize": "uniform",
        "img2img_fix_steps": False,
        "sd_hypernetwork": "None",
        "inpainting_mask_weight": 1.0,
        "initial_noise_multiplier": 1.0,
        "comma_padding_backtrack": 20.0,
    }
    assert server.txt2img(steps=1, override_settings=overrides)["images"]


def test_03_unknown_overrides_are_key_errors_and_forge_is_not_claimed(server: Any) -> None:
    body = TINY | {"override_settings": {"forge_additional_modules": []}}
    reply = server.post(TXT2IMG, body)
    assert (reply.status_code, reply.json()["error"]) == (500, "KeyError")
    assert "forge_preset" not in server.get(OPTIONS).json()


@pytest.mark.parametrize("name", ["ControlNet", "controlnet", "ADetailer"])
def test_04_known_absent_extensions_without_arguments_do_nothing(server: Any, name: str) -> None:
    assert server.txt2img(steps=1, alwayson_scripts={name: {"args": []}})["images"]


@pytest.mark.parametrize("name", ["ControlNet", "controlnet"])
def test_04_known_absent_extensions_with_arguments_are_refused(server: Any, name: str) -> None:
    body = TINY | {"alwayson_scripts": {name: {"args": [{"enabled": True}]}}}
    reply = server.post(TXT2IMG, body)
    assert (reply.status_code, reply.json()["detail"]) == (422, f"Script '{name}' not found")


@pytest.mark.parametrize(
    ("asked", "sampler", "schedule"),
    [
        ({"sampler_name": "No such"}, "DPM++ 2M", "Karras"),
        ({"sampler_name": None, "sampler_index": "No such"}, "DPM++ 2M", "Karras"),
        ({"sampler_name": "DPM++ 2M Karras"}, "DPM++ 2M", "Karras"),
        ({"sampler_name": "DPM++ 2M SDE Exponential"}, "DPM++ 2M SDE", "Exponential"),
        ({"sampler_name": "LMS Karras"}, "LMS", "Karras"),
        ({"sampler_name": "k_euler_a"}, "DPM++ 2M", "Karras"),
        ({"sampler_name": "Euler", "scheduler": "Karras"}, "Euler", "Karras"),
        ({"sampler_name": "Euler", "scheduler": "karras"}, "Euler", "Karras"),
    ],
)
def test_05_samplers_are_found_by_old_names_and_never_an_error(
    server: Any, asked: dict[str, Any], sampler: str, schedule: str
) -> None:
    reply = server.txt2img(**asked)
    infotext = json.loads(reply["info"])["infotexts"][0]
    assert f"Sampler: {sampler}, Schedule type: {schedule}" in infotext


def test_06_strings_floats_and_nulls_stand_for_numbers(server: Any) -> None:
    reply = server.txt2img(
        seed="17",
        subseed="5",
        steps="2",
        cfg_scale="7.0",
        hr_scale="1.0",
        denoising_strength=None,
        hr_second_pass_steps=2.5,
        script_name=None,
        width=64.0,
    )
    assert reply["parameters"]["hr_second_pass_steps"] == 2
    assert reply["parameters"]["seed"] == 17
    info = json.loads(reply["info"])
    assert (info["seed"], info["subseed"], info["steps"]) == (17, 5, 2)


def test_06_extras_take_numbers_as_text(server: Any, photo: Image.Image, pictures: Any) -> None:
    body = {
        "image": pictures.encode(photo),
        "gfpgan_visibility": "0.0",
        "extras_upscaler_2_visibility": "0.5",
        "upscaler_1": "Lanczos",
        "upscaler_2": "Nearest",
        "upscaling_resize": "2",
    }
    reply = server.post("/sdapi/v1/extra-single-image", body)
    assert reply.status_code == 200
    assert pictures.decode(reply.json()["image"]).size == (128, 128)


def test_06_img2img_takes_a_null_mask(server: Any, photo: Image.Image) -> None:
    assert server.img2img(photo, mask=None, script_name=None, denoising_strength="0.75")["images"]


def test_07_foreign_keys_are_ignored_and_named_but_not_logged(server: Any) -> None:
    foreign = {"url": "http://127.0.0.1", "auth": "me:TOP-SECRET", "clip_skip": 2, "s_tmax": 1e308}
    foreign |= {"image_similarity": 0.4, "resize-mode": 0, "overlay_images": None, "model_override": "x"}
    reply = server.post(TXT2IMG, TINY | foreign)
    assert reply.status_code == 200
    named = reply.headers["X-Sdapi-Ignored-Fields"].split(", ")
    assert set(named) == set(foreign) - {"s_tmax"}
    assert "TOP-SECRET" not in server.log.read_text()
    assert "X-Sdapi-Ignored-Fields" not in server.post(TXT2IMG, TINY).headers


@pytest.mark.parametrize("header", ["", "Basic ", "Basic None:None", "Basic !!!", "Bearer x", "\xff"])
def test_08_an_open_server_does_not_look_at_authorization(server: Any, header: str) -> None:
    connection = HTTPConnection(server.url.removeprefix("http://"))
    connection.request("GET", "/sdapi/v1/samplers", headers={"Authorization": header})
    assert connection.getresponse().status == 200
    connection.close()


def test_forms_are_read_by_the_schema(server: Any) -> None:
    form = {
        "prompt": "a cat & a dog",
        "steps": "1",
        "width": "64",
        "height": "64",
        "seed": "",
        "styles": ["a", "b"],
    }
    form |= {"override_settings": '{"CLIP_stop_at_last_layers": 2}', "enable_hr": "false"}
    reply = server.http.post(TXT2IMG, data=form)
    assert reply.status_code == 200
    echoed = reply.json()["parameters"]
    assert echoed["prompt"] == "a cat & a dog"
    assert echoed["styles"] == ["a", "b"]
    assert echoed["seed"] == -1
    assert json.loads(reply.json()["info"])["clip_skip"] == 2


def test_a_picture_comes_as_a_form(server: Any, photo: Image.Image, pictures: Any) -> None:
    reply = server.http.post("/sdapi/v1/png-info", data={"image": pictures.encode(photo)})
    assert reply.status_code == 200
    assert reply.json()["info"] == ""
