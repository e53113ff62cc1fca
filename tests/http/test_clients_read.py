"""What real clients read, and where they look: one test or more for each thing they cannot do without.

The numbers are those of the list of client surprises the project was planned with.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import httpx
import pytest
from PIL import Image

TINY = {"prompt": "x", "steps": 1, "width": 64, "height": 64, "seed": 1, "sampler_name": "Euler"}
TXT2IMG = "/sdapi/v1/txt2img"
OPTIONS = "/sdapi/v1/options"


@pytest.mark.parametrize("name", ["other-sd", "hash", "title"])
def test_09_the_stored_checkpoint_is_always_a_listed_title(stocked: Any, name: str) -> None:
    before = stocked.get(OPTIONS).json()["sd_model_checkpoint"]
    stocked.txt2img(override_settings={"sd_model_checkpoint": "other-sd"})  # it has a hash from now on
    model = next(m for m in stocked.get("/sdapi/v1/sd-models").json() if m["model_name"] == "other-sd")
    text = {"other-sd": "other-sd", "hash": model["hash"], "title": model["title"]}[name]
    try:
        assert stocked.post(OPTIONS, {"sd_model_checkpoint": text}).text == "null"
        assert stocked.get(OPTIONS).json()["sd_model_checkpoint"] == model["title"]
    finally:
        stocked.post(OPTIONS, {"sd_model_checkpoint": before})
    titles = [m["title"] for m in stocked.get("/sdapi/v1/sd-models").json()]
    assert stocked.get(OPTIONS).json()["sd_model_checkpoint"] in titles


def test_10_info_is_json_in_a_string_and_complete(server: Any) -> None:
    reply = server.txt2img(seed=-1, subseed=-1, batch_size=2)
    assert isinstance(reply["info"], str)
    assert isinstance(reply["parameters"], dict)
    info = json.loads(reply["info"])
    assert info["all_seeds"] == [info["seed"], info["seed"] + 1]
    assert info["seed"] >= 0
    assert len(info["infotexts"]) == 2
    needed = "all_prompts all_negative_prompts all_seeds all_subseeds subseed_strength width height"
    needed += " sampler_name steps cfg_scale clip_skip is_using_inpainting_conditioning job_timestamp"
    needed += " restore_faces sd_model_hash styles seed_resize_from_w seed_resize_from_h prompt"
    assert all(info[key] is not None for key in needed.split())
    assert re.fullmatch(r"\d{14}", info["job_timestamp"])
    assert info["restore_faces"] is False


def test_11_images_are_bare_base64_of_png(server: Any) -> None:
    (image,) = server.txt2img()["images"]
    assert base64.b64decode(image, validate=True).startswith(b"\x89PNG\r\n")
    assert image.split(",", 1)[0] == image


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
def test_11_images_are_taken_bare_and_as_data_uri(
    server: Any, photo: Image.Image, pictures: Any, prefix: str
) -> None:
    reply = server.post(
        "/sdapi/v1/img2img", TINY | {"init_images": [prefix + pictures.encode(photo)], "steps": 2}
    )
    assert reply.status_code == 200


def test_11_without_saving_there_are_just_the_pictures(server: Any) -> None:
    assert len(server.txt2img(steps=1, batch_size=2, n_iter=2)["images"]) == 4


def test_11_with_saving_the_grid_comes_first(server: Any, pictures: Any) -> None:
    reply = server.txt2img(steps=1, batch_size=2, save_images=True, do_not_save_grid=True)
    info = json.loads(reply["info"])
    assert [pictures.decode(image).size for image in reply["images"]] == [(128, 64), (64, 64), (64, 64)]
    assert info["index_of_first_image"] == 1
    assert (len(info["infotexts"]), len(info["all_seeds"])) == (3, 2)


def test_12_the_infotext_has_its_grammar_and_goes_round(server: Any, pictures: Any) -> None:
    reply = server.txt2img(prompt="a red apple", negative_prompt="dark", cfg_scale=6)
    infotext = json.loads(reply["info"])["infotexts"][0]
    prompt, negative, last = infotext.split("\n")
    assert (prompt, negative) == ("a red apple", "Negative prompt: dark")
    pairs = dict(pair.split(": ", 1) for pair in last.split(", "))
    assert list(pairs)[:2] == ["Steps", "Sampler"]
    assert (pairs["Seed"], pairs["Size"], pairs["CFG scale"]) == ("1", "64x64", "6.0")
    models = server.get("/sdapi/v1/sd-models").json()
    assert pairs["Model hash"] in [model["hash"] for model in models]
    assert pictures.decode(reply["images"][0]).text["parameters"] == infotext
    known = server.post("/sdapi/v1/png-info", {"image": reply["images"][0]}).json()
    assert known["info"] == infotext
    assert known["parameters"]["Prompt"] == "a red apple"
    assert known["parameters"]["Steps"] == "2"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("interrupt", "{}"),
        ("skip", "null"),
        ("refresh-checkpoints", "null"),
        ("refresh-vae", "null"),
        ("refresh-embeddings", "null"),
        ("refresh-loras", "null"),
    ],
)
def test_13_every_command_has_a_json_body(server: Any, path: str, text: str) -> None:
    reply = server.http.post(f"/sdapi/v1/{path}")
    assert (reply.status_code, reply.text) == (200, text)
    assert reply.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("body", [b"", b'""', b"null", b"{}"])
def test_13_unload_and_reload_take_any_body(server: Any, body: bytes) -> None:
    for name in ("unload", "reload"):
        reply = server.http.post(f"/sdapi/v1/{name}-checkpoint", content=body)
        assert (reply.status_code, reply.text) == (200, "{}")


@pytest.mark.parametrize("path", ["/sdapi/v1/options/", "/sdapi/v1/extra-single-image/"])
def test_14_a_trailing_slash_is_redirected_with_its_body(
    server: Any, photo: Image.Image, pictures: Any, path: str
) -> None:
    body = {"image": pictures.encode(photo)} if "extra" in path else {}
    first = server.post(path, body)
    assert first.status_code == 307
    assert first.headers["Location"] == server.url + path.rstrip("/")
    assert server.post(path, body, follow_redirects=True).status_code == 200


def test_14_a_trailing_question_mark_changes_nothing(server: Any) -> None:
    assert server.http.post("/sdapi/v1/interrupt?").status_code == 200
    assert server.get("/sdapi/v1/samplers?").status_code == 200


def test_15_idle_after_a_model_change(server: Any) -> None:
    server.post(OPTIONS, {"sd_model_checkpoint": server.get(OPTIONS).json()["sd_model_checkpoint"]})
    told = server.get("/sdapi/v1/progress").json()
    assert told["progress"] == 0.0
    assert told["state"]["job_count"] == 0
    assert told["state"]["job"] == ""
    assert told["current_image"] is None
    assert "textinfo" in told


@pytest.mark.parametrize("body", [b"", b"{}", b'{"skip_current_image": true}'])
def test_15_progress_may_come_with_a_body(server: Any, body: bytes) -> None:
    reply = server.http.request("GET", "/sdapi/v1/progress?skip_current_image=true", content=body)
    assert reply.status_code == 200
    assert server.get("/healthz").status_code == 200


def test_16_probes_off_the_api_answer(server: Any) -> None:
    assert server.get("/").status_code == 200
    assert server.http.head("/").status_code == 200
    assert isinstance(server.get("/config").json(), dict)
    assert server.get("/internal/ping").json() == {}
    assert isinstance(server.get("/app_id").json()["app_id"], int)
    assert "app" not in server.get("/sdapi/v1/version").json()
    assert server.get("/sdapi/v1/cmd-flags").status_code == 200
    assert server.get("/internal/sysinfo").status_code == 200
    for path in ("/sdapi/v1/sd-modules", "/startup-events", "/controlnet/version"):
        assert (server.get(path).status_code, server.get(path).json()) == (404, {"detail": "Not Found"})


def test_16_login_without_users_leads_to_the_start_page(server: Any) -> None:
    reply = server.http.post("/login", data={"username": "me", "password": "secret"})
    assert (reply.status_code, reply.headers["Location"]) == (302, "/")


def preflight(server: Any, origin: str, **more: str) -> httpx.Response:
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    headers |= {"Access-Control-Request-Headers": "content-type"} | more
    reply: httpx.Response = server.http.request("OPTIONS", TXT2IMG, headers=headers)
    return reply


def test_17_without_the_flag_other_origins_are_refused(server: Any) -> None:
    reply = preflight(server, "http://page.example")
    assert (reply.status_code, reply.text) == (400, "Disallowed CORS origin")
    reply = server.get("/sdapi/v1/samplers", headers={"Origin": "http://page.example"})
    assert reply.status_code == 200
    assert "Access-Control-Allow-Origin" not in reply.headers


def test_17_allowed_origins_may_read_replies_errors_included(stocked: Any) -> None:
    origin = "http://page.example"
    reply = preflight(stocked, origin, **{"Access-Control-Request-Private-Network": "true"})
    assert reply.status_code == 200
    assert reply.headers["Access-Control-Allow-Origin"] == origin
    for path in ("/sdapi/v1/samplers", "/nope", "/everything/fail"):
        reply = stocked.get(path, headers={"Origin": origin})
        assert reply.headers["Access-Control-Allow-Origin"] == origin
        assert "X-Process-Time" in reply.headers["Access-Control-Expose-Headers"]


def test_18_checkpoints_have_their_fields(server: Any) -> None:
    (model,) = server.get("/sdapi/v1/sd-models").json()
    assert set(model) == {"title", "model_name", "hash", "sha256", "filename", "config"}
    assert re.fullmatch(r"[0-9a-f]{10}", model["hash"])
    assert model["sha256"].startswith(model["hash"])
    assert model["title"] == f"{model['model_name']} [{model['hash']}]"
    assert model["filename"]


def test_18_before_the_first_load_there_is_no_hash(stocked: Any) -> None:
    models = {model["model_name"]: model for model in stocked.get("/sdapi/v1/sd-models").json()}
    assert models["broken"]["title"] == "broken.safetensors"
    assert models["broken"]["hash"] is None
    assert models["broken"]["sha256"] is None


def test_19_sampler_options_are_texts(server: Any) -> None:
    for sampler in server.get("/sdapi/v1/samplers").json():
        assert all(isinstance(value, str) for value in sampler["options"].values())
        assert all(isinstance(alias, str) for alias in sampler["aliases"])


def test_19_embeddings_have_a_width_and_skipped_ones_are_listed(stocked: Any) -> None:
    found = stocked.get("/sdapi/v1/embeddings").json()
    assert list(found["loaded"]) == ["fits"]
    assert list(found["skipped"]) == ["foreign"]
    assert isinstance(found["loaded"]["fits"]["shape"], int)
    assert found["loaded"]["fits"]["vectors"] == 2


def test_20_calls_that_were_always_broken_are_refused(server: Any) -> None:
    body = {"image_list": [{"image": "x", "name": "a"}]}
    reply = server.post("/sdapi/v1/extra-batch-images", body)
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"] == ["body", "imageList"]


def test_21_echoed_parameters_keep_their_types(server: Any) -> None:
    echoed = server.txt2img(seed=-1, hr_scale="1.5")["parameters"]
    types = {key: type(echoed[key]) for key in ("subseed_strength", "cfg_scale", "seed", "hr_scale")}
    assert types == {"subseed_strength": int, "cfg_scale": float, "seed": int, "hr_scale": float}
    assert (echoed["subseed_strength"], echoed["cfg_scale"], echoed["seed"]) == (0, 7.0, -1)
    assert [echoed[key] for key in ("denoising_strength", "eta", "s_noise")] == [None, None, None]


def test_22_hires_without_strength_is_refused_with_a_reason(server: Any) -> None:
    reply = server.post(TXT2IMG, TINY | {"enable_hr": True})
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"] == ["body", "denoising_strength"]


def test_22_an_unknown_hires_upscaler_is_named(server: Any) -> None:
    body = TINY | {"enable_hr": True, "denoising_strength": 0.5, "hr_upscaler": "nope"}
    reply = server.post(TXT2IMG, body)
    assert reply.status_code == 500
    assert reply.json()["errors"] == "could not find upscaler named nope"


@pytest.mark.parametrize("steps", [1, 2])
def test_22_unipc_with_few_steps_works_or_says_why(server: Any, steps: int) -> None:
    reply = server.post(TXT2IMG, TINY | {"sampler_name": "UniPC", "steps": steps})
    assert reply.status_code in (200, 500)
    assert "images" in reply.json() or reply.json()["error"] == "AssertionError"
