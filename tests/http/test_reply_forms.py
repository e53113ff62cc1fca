"""The same picture as base64 text, as a path, and as the file itself."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import pytest
from PIL import Image

from sdapi_compat.metadata import images

TXT2IMG = "/sdapi/v1/txt2img"
SMALL = {
    "prompt": "x",
    "steps": 2,
    "width": 64,
    "height": 64,
    "sampler_name": "Euler",
    "seed": 7,
}


def test_a_path_in_place_of_base64(server: Any) -> None:
    whole = server.post(TXT2IMG, SMALL | {"batch_size": 2}).json()
    asked = SMALL | {"batch_size": 2, "response_format": "url", "force_task_id": "linked (ä)"}
    reply = server.post(TXT2IMG, asked).json()
    assert reply["images"] == [f"/sdapi/v1/jobs/linked%20%28%C3%A4%29/images/{number}" for number in (0, 1)]
    assert [base64.b64encode(server.get(path).content).decode() for path in reply["images"]] == whole[
        "images"
    ]
    assert json.loads(reply["info"])["infotexts"] == json.loads(whole["info"])["infotexts"]
    assert reply["parameters"]["response_format"] == "url"
    assert server.get("/sdapi/v1/jobs/linked%20%28%C3%A4%29").json()["result"] == reply


def test_base64_can_be_asked_for_by_name(server: Any) -> None:
    plain = server.post(TXT2IMG, SMALL).json()
    named = server.post(TXT2IMG, SMALL | {"response_format": "b64_json"}).json()
    assert named["images"] == plain["images"]
    assert "response_format" not in plain["parameters"]


def test_no_pictures_no_paths(server: Any) -> None:
    reply = server.post(TXT2IMG, SMALL | {"response_format": "url", "send_images": False}).json()
    assert reply["images"] == []


def test_an_unknown_form_is_refused(server: Any) -> None:
    reply = server.post(TXT2IMG, SMALL | {"response_format": "pigeon"})
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"] == ["body", "response_format"]


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("image/png", "PNG"),
        ("image/webp, image/png;q=0.5", "WEBP"),
        ("image/jpeg, application/json;q=0.9", "JPEG"),
        ("image/*", "PNG"),
    ],
)
def test_the_picture_itself(server: Any, accept: str, form: str) -> None:
    whole = server.post(TXT2IMG, SMALL).json()
    reply = server.post(TXT2IMG, SMALL | {"typo": 1}, headers={"Accept": accept})
    picture = Image.open(io.BytesIO(reply.content))
    assert (reply.status_code, picture.format) == (200, form)
    assert reply.headers["content-type"] == f"image/{form.lower()}"
    assert reply.headers["x-sdapi-ignored-fields"] == "typo"
    assert images.read(picture).info == json.loads(whole["info"])["infotexts"][0]
    if form == "PNG":
        assert base64.b64encode(reply.content).decode() == whole["images"][0]


@pytest.mark.parametrize(
    "accept",
    ["*/*", "application/json, text/plain, */*", "text/html", "image/tiff", "application/*, image/*"],
)
def test_clients_of_the_original_get_json(server: Any, accept: str) -> None:
    reply = server.post(TXT2IMG, SMALL, headers={"Accept": accept})
    assert reply.headers["content-type"] == "application/json"
    assert len(reply.json()["images"]) == 1


@pytest.mark.parametrize("several", [{"batch_size": 2}, {"n_iter": 3}, {"prompt": ["a", "b"]}])
def test_several_pictures_are_no_single_file(server: Any, several: dict[str, Any]) -> None:
    reply = server.post(TXT2IMG, SMALL | several, headers={"Accept": "image/png"})
    assert reply.status_code == 406
    assert "one picture" in reply.json()["detail"]


def test_errors_stay_json(server: Any) -> None:
    reply = server.post(TXT2IMG, SMALL | {"steps": 0}, headers={"Accept": "image/png"})
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"] == ["body", "steps"]
