"""The recorded replies of A1111 1.10.1 to odd requests and to every GET route, held against ours.

`odd_requests.json` and `get_shapes.json` hold statuses, bodies and types. Where this server deliberately
answers otherwise, a table says so with the reason.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parent / "data"
ODD = json.loads((DATA / "odd_requests.json").read_text())
GETS = json.loads((DATA / "get_shapes.json").read_text())

NUMBER = "numbers nothing can be made of are refused before the work, with the field's name"
FORM = "form bodies are read"
NULL = "null stands for the default"
UNBUILT = "not built: 501 with the reason, not a made-up answer"

# name of the request -> (our status, why it differs)
BETTER_STATUS = {
    "steps negative": (422, NUMBER),
    "width 0": (422, NUMBER),
    "width 7 (below 8)": (422, NUMBER),
    "batch_size 0": (422, NUMBER),
    "steps null": (200, NULL),
    "prompt null": (200, NULL),
    "prompt list": (200, "one picture for each"),
    "valid JSON, form content-type": (200, "curl sends this type unasked"),
    "form encoded": (200, FORM),
    "interrogate no image": (501, UNBUILT),
    "interrogate clip (no weights, offline)": (501, UNBUILT),
    "create hypernetwork bad args": (501, UNBUILT),
    "train embedding empty": (501, UNBUILT),
    "HEAD options": (200, "HEAD works wherever GET does"),
    "script X/Y/Z plot no args": (422, "the script is not here; where it is, missing arguments are defaults"),
}

# path of a GET route -> (our status, why it differs)
PAGE = "routes of the original's page are there in every mode, because clients probe them"
BETTER_GET = {
    "/": (200, PAGE),
    "/app_id": (200, PAGE),
    "/config": (200, PAGE),
    "/token": (200, PAGE),
    "/login_check": (200, PAGE),
    "/internal/ping": (200, PAGE),
    "/internal/progress": (405, PAGE),
    "/internal/sysinfo": (200, PAGE),
    "/internal/sysinfo?attachment=false": (200, PAGE),
    "/internal/quicksettings-hint": (200, PAGE),
    "/docs/oauth2-redirect": (404, "the documentation page has no OAuth login"),
}
# Lists whose entries are what is on this machine or built in; an empty one cannot show its entries' shape.
MAY_BE_EMPTY = {"/sdapi/v1/face-restorers", "/sdapi/v1/realesrgan-models"}
FREE_KEYS = {"/sdapi/v1/loras": "metadata", "/sdapi/v1/embeddings": "loaded"}


def send(server: Any, entry: dict[str, Any]) -> Any:
    body = entry["body"]
    headers = {"Content-Type": entry["content_type"], "Origin": entry["origin"]}
    content = body if body is None or isinstance(body, str) else json.dumps(body)
    if entry["name"] == "invalid utf8":
        content = body.encode("latin-1")
    return server.http.request(
        entry["method"],
        entry["path"],
        content=content,
        headers={name: value for name, value in headers.items() if value},
    )


@pytest.mark.parametrize("entry", ODD, ids=[entry["name"] for entry in ODD])
def test_odd_requests_are_answered_as_by_the_original(server: Any, entry: dict[str, Any]) -> None:
    real = entry["reply"]
    reply = send(server, entry)
    status, reason = BETTER_STATUS.get(entry["name"], (real["status"], ""))
    assert reply.status_code == status, reason or reply.text
    if reason:
        return
    if "allow" in real:
        assert real["allow"] in reply.headers["Allow"].split(", ")
    if "location" in real:
        assert reply.headers["Location"] == server.url + entry["path"].rstrip("/")
    if "images" in real:
        check_pictures(real, reply.json())
    elif "first" in real:
        assert reply.json()[0] == real["first"]
    elif real["json"] is not None:
        assert reply.json() == real["json"]
    else:
        assert reply.text in ("null", "")


def check_pictures(real: dict[str, Any], ours: dict[str, Any]) -> None:
    assert len(ours["images"]) == real["images"]
    if "html_info" in real:
        assert ours["html_info"] == real["html_info"]
        return
    assert list(ours["parameters"]) == list(real["parameters"])
    for name, value in real["parameters"].items():
        assert ours["parameters"][name] == value, name
        assert type(ours["parameters"][name]) is type(value), name
    assert list(json.loads(ours["info"])) == real["info_keys"]


def test_every_deliberate_difference_is_still_one(server: Any) -> None:
    """A request that the original answers as we do must not be in the table."""
    names = {entry["name"]: entry["reply"]["status"] for entry in ODD}
    assert all(names[name] != status for name, (status, _) in BETTER_STATUS.items())
    assert all(GETS[path]["status"] != status for path, (status, _) in BETTER_GET.items())


def problems(real: Any, ours: Any, where: str) -> list[str]:
    """Where `ours` lacks a key, or has another type than the recorded shape tells."""
    if isinstance(real, dict):
        if not isinstance(ours, dict):
            return [f"{where} is no object"]
        missing = [f"{where}.{key} is missing" for key in real if key not in ours]
        return missing + [p for key in real if key in ours for p in problems(real[key], ours[key], key)]
    if isinstance(real, list):
        if not isinstance(ours, list):
            return [f"{where} is no list"]
        return [p for item in ours for p in problems(real[0], item, f"{where}[]")] if real else []
    name = {type(None): "null"}.get(type(ours), type(ours).__name__)
    return [] if name == real or "null" in (name, real) else [f"{where} is {name}, not {real}"]


@pytest.mark.parametrize("path", list(GETS))
def test_get_routes_have_the_status_type_and_shape_of_the_original(stocked: Any, path: str) -> None:
    real = GETS[path]
    status, reason = BETTER_GET.get(path, (real["status"], ""))
    reply = stocked.get(path)
    assert reply.status_code == status, reason
    if reason:
        return
    assert reply.headers.get("Content-Type") == real["content_type"]
    if "json" in real:
        assert reply.json() == real["json"]
    elif "shape" in real:
        shape = without_free_keys(path, real["shape"])
        assert problems(shape, reply.json(), path) == []
        assert reply.json() or not shape or path in MAY_BE_EMPTY


def without_free_keys(path: str, shape: Any) -> Any:
    """The shape without the names of the recorded machine's files."""
    free = FREE_KEYS.get(path)
    if free == "metadata":
        return [{**shape[0], "metadata": {"ss_tag_frequency": {}}}]
    if free == "loaded":
        return {"loaded": {"fits": next(iter(shape["loaded"].values()))}, "skipped": {}}
    return shape


def test_options_are_in_the_order_of_the_original(server: Any) -> None:
    ours, real = server.get("/sdapi/v1/options").json(), GETS["/sdapi/v1/options"]["shape"]
    assert [key for key in ours if key in real] == list(real)
