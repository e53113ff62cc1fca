"""Odd values in every field of every route that takes a body: an answer with its reason, never a failure.

Each example is an otherwise good request with one field changed, or none of the rest.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from sdapi_compat.options.table import TABLE
from sdapi_compat.schema.coerce import fields_of
from sdapi_compat.schema.extras import ExtrasBatchImagesRequest, ExtrasSingleImageRequest, PNGInfoRequest
from sdapi_compat.schema.img2img import StableDiffusionProcessingImg2Img
from sdapi_compat.schema.txt2img import StableDiffusionProcessingTxt2Img

FEW = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
# What the original says too: the request names something that is not there, or no picture.
SAID = ("KeyError", "Exception", "AssertionError", "HTTPException")


def picture() -> str:
    data = io.BytesIO()
    Image.linear_gradient("L").resize((64, 64)).convert("RGB").save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode()


PICTURE = picture()
TINY = {"prompt": "x", "steps": 1, "width": 64, "height": 64, "seed": 1, "sampler_name": "Euler"}
HIRES = {"enable_hr": True, "denoising_strength": 0.5, "hr_resize_x": 72, "hr_resize_y": 72}
ROUTES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "txt2img": ("txt2img", StableDiffusionProcessingTxt2Img, TINY),
    "hires": ("txt2img", StableDiffusionProcessingTxt2Img, TINY | HIRES),
    "ddim": ("txt2img", StableDiffusionProcessingTxt2Img, TINY | {"sampler_name": "DDIM"}),
    "img2img": ("img2img", StableDiffusionProcessingImg2Img, TINY | {"init_images": [PICTURE]}),
    "inpaint": (
        "img2img",
        StableDiffusionProcessingImg2Img,
        TINY | {"init_images": [PICTURE], "mask": PICTURE},
    ),
    "single": ("extra-single-image", ExtrasSingleImageRequest, {"image": PICTURE, "upscaler_1": "Lanczos"}),
    "batch": (
        "extra-batch-images",
        ExtrasBatchImagesRequest,
        {"imageList": [{"data": PICTURE, "name": "a"}], "upscaler_1": "Lanczos"},
    ),
    "png-info": ("png-info", PNGInfoRequest, {"image": PICTURE}),
}
NUMBERS = ["0", "1", "-1", "-2", "7", "0.5", "-0.0", "1e-300", "1e300", "1e400", "-1e400", "NaN", "Infinity"]
LARGE = ["2147483648", "-9223372036854775809", "18446744073709551616", "1" + "0" * 40, "-1" + "0" * 400]
TEXTS = ['""', '" "', '"a"', '"1"', '"nan"', '"None"', '"\\u0000"', '"\\ud83d"', '"((((("', '"<lora:x:y>"']
NESTED = ["[]", "[null]", "[0]", '[""]', "[[]]", "{}", '{"a": 1}', '{"a": null}', '{"refiner": {"args": 5}}']
NESTED += ["[NaN]", "[" * 99 + "]" * 99, '{"": {"args": [[{}]]}}', json.dumps([PICTURE, None])]
VALUES = st.sampled_from(["null", "true", *NUMBERS, *LARGE, *TEXTS, *NESTED, json.dumps("9" * 5000)])
# Fifty steps, the default, would be all that takes time.
SLOW = {"null": "steps", '""': "steps"}


@pytest.fixture(autouse=True)
def lives_on(server: Any) -> Iterator[None]:
    """After every test the server makes a picture, and its log has no traceback."""
    before = len(server.log.read_text())
    yield
    assert server.post("/sdapi/v1/txt2img", TINY).status_code == 200
    assert "Traceback" not in server.log.read_text()[before:]


def send(server: Any, path: str, body: dict[str, Any], field: str, value: str) -> Any:
    """The body with one field as JSON text, which may say what Python's JSON does not."""
    rest = json.dumps({name: kept for name, kept in body.items() if name != field})
    comma = "," if len(rest) > 2 else ""
    content = f"{rest[:-1]}{comma}{json.dumps(field)}:{value}}}"
    return server.http.post(path, content=content, headers={"Content-Type": "application/json"})


def is_answered(reply: Any) -> bool:
    """200, a refusal with a reason, or one of the original's own errors."""
    if reply.status_code in (200, 404, 413, 501):
        return True
    if reply.status_code in (400, 422):
        return bool(reply.json()["detail"])
    return reply.status_code == 500 and reply.json()["error"] in SAID


@pytest.mark.parametrize("route", ROUTES)
def test_every_field_takes_or_refuses_odd_values(server: Any, route: str) -> None:
    path, kind, body = ROUTES[route]

    @FEW
    @given(field=st.sampled_from(sorted(fields_of(kind))), value=VALUES)
    def check(field: str, value: str) -> None:
        if SLOW.get(value) == field:
            return
        reply = send(server, f"/sdapi/v1/{path}", body, field, value)
        assert is_answered(reply), (field, value[:80], reply.text[:300])

    check()


def test_every_option_takes_or_refuses_odd_values(server: Any) -> None:
    before = server.get("/sdapi/v1/options").json()

    @FEW
    @given(option=st.sampled_from(TABLE), value=VALUES)
    def check(option: Any, value: str) -> None:
        reply = send(server, "/sdapi/v1/options", {}, option.key, value)
        known = reply.status_code == 500 and reply.json()["error"] in ("ValueError", "RuntimeError")
        assert reply.status_code in (200, 400, 422) or known, (option.key, value[:80], reply.text[:300])
        assert server.get("/sdapi/v1/options").status_code == 200
        assert server.get("/sdapi/v1/script-info").status_code == 200
        if before[option.key] is not None:
            assert server.post("/sdapi/v1/options", {option.key: before[option.key]}).status_code == 200

    check()


@pytest.mark.parametrize("path", ["txt2img", "img2img", "extra-single-image", "png-info", "options"])
def test_bodies_that_are_no_request(server: Any, path: str) -> None:
    bodies = ["null", "5", '"x"', "NaN", "[[]]", '[["a"]]', "[1]", "{{", "", "\ufeff", '{"steps": 0}']
    for body in bodies:
        headers = {"Content-Type": "application/json"}
        reply = server.http.post(f"/sdapi/v1/{path}", content=body, headers=headers)
        assert is_answered(reply), (body, reply.text[:300])


@pytest.mark.parametrize(
    ("route", "changes", "where"),
    [
        ("txt2img", {"seed": 2**64}, ["seed"]),
        ("txt2img", {"seed": -(2**63) - 1}, ["seed"]),
        ("txt2img", {"seed": 2**64 - 1, "n_iter": 2}, ["seed"]),
        ("txt2img", {"subseed": 10**30, "subseed_strength": 0.5}, ["subseed"]),
        ("txt2img", {"sampler_name": "DDIM", "steps": 1001}, ["steps"]),
        ("txt2img", {"sampler_name": "DDIM CFG++", "steps": 5000}, ["steps"]),
        ("txt2img", {"sampler_name": "PLMS", "steps": 1001}, ["steps"]),
        ("txt2img", {"sampler_name": "UniPC", "steps": 10_000}, ["steps"]),
        ("hires", {"sampler_name": "DDIM", "denoising_strength": 0.0005}, ["steps"]),
        ("img2img", {"init_images": [None]}, ["init_images", 0]),
        ("img2img", {"init_images": [PICTURE, 5], "batch_size": 2}, ["init_images", 1]),
    ],
)
def test_values_the_original_fails_on_are_named(
    server: Any, route: str, changes: dict[str, Any], where: list[Any]
) -> None:
    path, _, body = ROUTES[route]
    reply = server.post(f"/sdapi/v1/{path}", body | changes)
    assert reply.status_code == 422
    (problem,) = reply.json()["detail"]
    assert problem["loc"] == ["body", *where]
    assert set(problem) == {"loc", "msg", "type"}


@pytest.mark.parametrize("seed", [-2, 2**63, 2**64 - 1, -(2**63)])
@pytest.mark.parametrize("source", ["CPU", "NV"])
def test_the_outermost_seeds_make_pictures(server: Any, seed: int, source: str) -> None:
    """A1111 1.10.1 behaviour: only -1 is drawn, other negative seeds are seeds."""
    reply = server.txt2img(steps=1, seed=seed, override_settings={"randn_source": source})
    assert json.loads(reply["info"])["seed"] == seed
