"""The reply: counts of pictures, the info JSON, and the text in the pictures."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest

INFO_TYPES = {
    "prompt": str,
    "all_prompts": list,
    "negative_prompt": str,
    "all_negative_prompts": list,
    "seed": int,
    "all_seeds": list,
    "subseed": int,
    "all_subseeds": list,
    "subseed_strength": int,
    "width": int,
    "height": int,
    "sampler_name": str,
    "cfg_scale": float,
    "steps": int,
    "batch_size": int,
    "restore_faces": bool,
    "face_restoration_model": type(None),
    "sd_model_name": str,
    "sd_model_hash": str,
    "sd_vae_name": type(None),
    "sd_vae_hash": type(None),
    "seed_resize_from_w": int,
    "seed_resize_from_h": int,
    "denoising_strength": type(None),
    "extra_generation_params": dict,
    "index_of_first_image": int,
    "infotexts": list,
    "styles": list,
    "job_timestamp": str,
    "clip_skip": int,
    "is_using_inpainting_conditioning": bool,
    "version": str,
}


def test_the_info_has_the_keys_and_types_of_the_original(server: Any, read: Any) -> None:
    info = read.info(server.txt2img())
    assert list(info) == list(INFO_TYPES)
    assert {key: type(value) for key, value in info.items()} == INFO_TYPES
    assert re.fullmatch(r"\d{14}", info["job_timestamp"])
    assert info["version"] == "v1.10.1"
    assert info["all_prompts"] == ["a red apple"]
    assert (info["width"], info["height"], info["steps"], info["batch_size"]) == (64, 64, 2, 1)


def test_the_info_is_text_and_the_parameters_are_an_object(server: Any) -> None:
    reply = server.txt2img()
    assert list(reply) == ["images", "parameters", "info"]
    assert isinstance(reply["info"], str)
    assert isinstance(reply["parameters"], dict)


def test_the_model_is_the_listed_one(server: Any, read: Any) -> None:
    reply = server.txt2img()
    models = server.get("/sdapi/v1/sd-models").json()
    listed = {entry["model_name"]: entry["hash"] for entry in models}
    info, pairs = read.info(reply), read.pairs(reply)
    assert listed[info["sd_model_name"]] == info["sd_model_hash"]
    assert (pairs["Model"], pairs["Model hash"]) == (info["sd_model_name"], info["sd_model_hash"])


def test_the_order_of_the_infotext(server: Any, read: Any) -> None:
    reply = server.txt2img(subseed=4, subseed_strength=0.5, tiling=True, negative_prompt="car")
    text = read.info(reply)["infotexts"][0]
    prompt, negative, last = text.split("\n")
    assert (prompt, negative) == ("a red apple", "Negative prompt: car")
    keys = [pair.split(": ")[0] for pair in last.split(", ")]
    assert keys == [
        "Steps",
        "Sampler",
        "Schedule type",
        "CFG scale",
        "Seed",
        "Size",
        "Model hash",
        "Model",
        "Variation seed",
        "Variation seed strength",
        "Tiling",
        "Version",
    ]


def test_pictures_are_bare_base64_png_with_their_infotext(server: Any, read: Any) -> None:
    reply = server.txt2img(batch_size=2)
    for index, text in enumerate(reply["images"]):
        assert text.startswith("iVBORw0KGgo")
        image = read.image(reply, index)
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (64, 64))
        assert image.info["parameters"] == read.info(reply)["infotexts"][index]


def test_pictures_without_text_where_the_option_is_off(server: Any, read: Any) -> None:
    reply = server.txt2img(override_settings={"enable_pnginfo": False})
    assert "parameters" not in read.image(reply).info
    assert read.info(reply)["infotexts"][0].startswith("a red apple\n")


@pytest.mark.parametrize(("batch", "count"), [(1, 1), (2, 1), (1, 3), (2, 2)])
def test_how_many_pictures(server: Any, read: Any, batch: int, count: int) -> None:
    reply = server.txt2img(batch_size=batch, n_iter=count, steps=1, do_not_save_grid=False)
    info = read.info(reply)
    assert len(reply["images"]) == len(info["infotexts"]) == len(info["all_prompts"]) == batch * count
    assert info["index_of_first_image"] == 0


def test_no_pictures_are_sent_when_unwanted(server: Any, read: Any) -> None:
    reply = server.txt2img(send_images=False)
    assert reply["images"] == []
    assert len(read.info(reply)["infotexts"]) == 1


@pytest.mark.parametrize(("side", "made"), [(8, 8), (72, 72), (71, 64), (100, 96)])
def test_sizes_are_floored_to_eights_but_told_as_asked(server: Any, read: Any, side: int, made: int) -> None:
    reply = server.txt2img(width=side, steps=1)
    assert read.image(reply).size == (made, 64)
    assert read.pairs(reply)["Size"] == f"{side}x64"
    assert read.info(reply)["width"] == side


def test_tiles_fit_together(server: Any, read: Any) -> None:
    def seams(tiling: bool) -> list[float]:
        made = read.pixels(server.txt2img(tiling=tiling, steps=4))
        return [float(np.abs(made[:, 0] - made[:, -1]).mean()), float(np.abs(made[0] - made[-1]).mean())]

    across, down = seams(tiling=True)
    plain_across, plain_down = seams(tiling=False)
    assert across < plain_across / 2
    assert down < plain_down / 2
    assert read.pairs(server.txt2img(tiling=True))["Tiling"] == "True"


@pytest.mark.parametrize(("form", "media"), [("jpg", "JPEG"), ("jpeg", "JPEG"), ("webp", "WEBP")])
def test_other_formats_carry_the_infotext(
    server: Any, read: Any, pictures: Any, form: str, media: str
) -> None:
    reply = server.txt2img(prompt="яблоко, red", override_settings={"samples_format": form})
    assert read.image(reply).format == media
    told = server.post("/sdapi/v1/png-info", {"image": reply["images"][0]}).json()
    assert told["info"] == read.info(reply)["infotexts"][0]
    assert told["parameters"]["Prompt"] == "яблоко, red"


def test_an_unknown_format_is_refused(server: Any) -> None:
    body = {"steps": 1, "width": 64, "height": 64, "override_settings": {"samples_format": "docx"}}
    reply = server.post("/sdapi/v1/txt2img", body)
    assert reply.status_code == 500
    assert reply.json()["detail"] == "Invalid image format"


def test_overridden_settings_do_not_stick(server: Any, read: Any) -> None:
    before = server.get("/sdapi/v1/options").json()
    overrides = {"CLIP_stop_at_last_layers": 2, "samples_format": "jpg", "eta_noise_seed_delta": 5}
    reply = server.txt2img(override_settings=overrides, override_settings_restore_afterwards=False)
    assert read.image(reply).format == "JPEG"
    assert reply["parameters"]["override_settings"] == overrides
    assert server.get("/sdapi/v1/options").json() == before
    assert read.image(server.txt2img()).format == "PNG"


def test_an_unknown_setting_is_the_original_error(server: Any) -> None:
    body = {"steps": 1, "width": 64, "height": 64, "override_settings": {"bogus": 1}}
    reply = server.post("/sdapi/v1/txt2img", body)
    assert reply.status_code == 500
    assert reply.json() == {"error": "KeyError", "detail": "", "body": "", "errors": "'bogus'"}


def test_a_checkpoint_nobody_has_is_dropped_from_the_overrides(server: Any) -> None:
    overrides = {"sd_model_checkpoint": "nobody.safetensors", "CLIP_stop_at_last_layers": 1}
    reply = server.txt2img(override_settings=overrides)
    assert reply["parameters"]["override_settings"] == {"CLIP_stop_at_last_layers": 1}
    assert reply["images"] == server.txt2img()["images"]


@pytest.mark.parametrize("alias", ["title", "model_name", "hash"])
def test_a_checkpoint_may_be_named_by_any_of_its_names(server: Any, read: Any, alias: str) -> None:
    server.txt2img(steps=1)
    entry = server.get("/sdapi/v1/sd-models").json()[0]
    reply = server.txt2img(override_settings={"sd_model_checkpoint": entry[alias]})
    assert read.info(reply)["sd_model_name"] == entry["model_name"]
    assert reply["parameters"]["override_settings"] == {"sd_model_checkpoint": entry[alias]}


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"width": 0}, "width"),
        ({"steps": 0}, "steps"),
        ({"batch_size": -1}, "batch_size"),
        ({"n_iter": 10**9}, "n_iter"),
    ],
)
def test_impossible_numbers_are_refused(server: Any, fields: dict[str, Any], name: str) -> None:
    reply = server.post("/sdapi/v1/txt2img", fields)
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"] == ["body", name]


@pytest.mark.parametrize("name", ["refiner_checkpoint", "hr_checkpoint_name"])
def test_an_unknown_checkpoint_is_the_original_error(server: Any, name: str) -> None:
    body = {"steps": 1, "width": 64, "height": 64, "enable_hr": True, "denoising_strength": 0.5}
    reply = server.post("/sdapi/v1/txt2img", body | {name: "nobody"})
    assert reply.status_code == 500
    assert reply.json()["errors"] == "Could not find checkpoint with name nobody"


@pytest.mark.parametrize("fields", [{"restore_faces": True}])
def test_what_is_not_built_says_so(server: Any, fields: dict[str, Any]) -> None:
    reply = server.post("/sdapi/v1/txt2img", {"steps": 1, "width": 64, "height": 64, **fields})
    assert reply.status_code == 501
    assert reply.json()["error"] == "HTTPException"
    assert next(iter(fields)) in reply.json()["detail"]


def test_the_newest_infotext_is_kept_in_a_file(server: Any, read: Any) -> None:
    reply = server.txt2img(prompt="history", batch_size=2)
    assert (server.data_dir / "params.txt").read_text() == read.info(reply)["infotexts"][0]


def test_the_info_survives_a_second_reading(server: Any) -> None:
    reply = server.txt2img(prompt='quotes " and \\ and \n newlines')
    assert json.loads(reply["info"])["prompt"] == 'quotes " and \\ and \n newlines'
