"""Routes: their names follow FastAPI's rule, and their examples work."""

from __future__ import annotations

import base64
import io
import re
from typing import Any

import msgspec
import pytest
from PIL import Image

from sdapi_compat.schema import examples
from sdapi_compat.schema.coerce import decode, decode_object
from sdapi_compat.schema.route_docs import RouteDoc
from sdapi_compat.schema.routes_table import BY_ID, ROUTES, described

SHOWN = [(doc, name) for doc in ROUTES for name in doc.examples]


@pytest.mark.parametrize("doc", ROUTES, ids=lambda doc: doc.operation_id)
def test_operation_ids_end_as_fastapi_makes_them(doc: RouteDoc) -> None:
    rest = re.sub(r"\W", "_", doc.path) + "_" + doc.method.lower()
    assert doc.operation_id.endswith(rest)
    assert len(doc.operation_id) > len(rest)
    assert BY_ID[doc.operation_id] is doc


def test_only_mounted_routes_are_described_in_the_order_of_the_pages() -> None:
    mounted = {("GET", "/app_id"), ("POST", "/sdapi/v1/txt2img"), ("GET", "/of-an-extension"), ("HEAD", "/")}
    assert [doc.path for doc in described(mounted)] == ["/sdapi/v1/txt2img", "/app_id"]


def test_a_method_of_a_path_is_described_once() -> None:
    keys = [(doc.method, doc.path) for doc in ROUTES]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(("doc", "name"), SHOWN, ids=lambda part: getattr(part, "operation_id", part))
def test_examples_are_requests_without_unknown_fields(doc: RouteDoc, name: str) -> None:
    body = msgspec.json.encode(doc.examples[name])
    if isinstance(doc.request, type):
        assert decode(doc.request, body, "application/json").ignored == ()
    else:
        assert decode_object(body, "application/json") == doc.examples[name]


def test_every_generation_route_has_an_example() -> None:
    for path in ("/sdapi/v1/txt2img", "/sdapi/v1/img2img"):
        (doc,) = [doc for doc in ROUTES if doc.path == path]
        simple: dict[str, Any] = doc.examples["simple"]
        assert (simple["width"], simple["height"], simple["steps"]) == (512, 512, 20)


def test_every_request_with_a_body_has_an_example() -> None:
    assert [doc.path for doc in ROUTES if doc.request is not None and not doc.examples] == []


def test_the_pictures_in_the_examples_are_pictures() -> None:
    picture = Image.open(io.BytesIO(base64.b64decode(examples.PICTURE)))
    mask = Image.open(io.BytesIO(base64.b64decode(examples.MASK)))
    assert (picture.size, picture.mode) == ((64, 64), "RGB")
    assert picture.info["parameters"].startswith("a hill and the sun\nSteps: 20")
    assert (mask.size, mask.getextrema()) == ((64, 64), (0, 255))
    box = mask.getbbox()
    assert box is not None
    assert picture.getpixel(((box[0] + box[2]) // 2, (box[1] + box[3]) // 2)) == (250, 220, 90)
