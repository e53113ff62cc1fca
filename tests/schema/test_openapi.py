"""The document: valid, with the names of the original's, and true to the Structs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from openapi_spec_validator import validate

from sdapi_compat.schema.openapi import About, document
from sdapi_compat.schema.route_docs import RouteDoc, Tag
from sdapi_compat.schema.routes_table import BY_ID, ROUTES


def reference(schema: dict[str, Any]) -> str | None:
    """The name of the schema referred to, directly or as items of an array."""
    found = schema.get("$ref") or schema.get("items", {}).get("$ref")
    return found.rpartition("/")[2] if found else None


def operations(openapi: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def types_of(schema: dict[str, Any], schemas: dict[str, Any]) -> set[str]:
    """The JSON types a schema allows, null aside; empty where it allows any."""
    if "$ref" in schema:
        return types_of(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "anyOf" in schema:
        return set().union(*(types_of(part, schemas) for part in schema["anyOf"]))
    if "enum" in schema:
        return {"integer" if isinstance(value, int) else "string" for value in schema["enum"]}
    kind = schema.get("type", [])
    return {kind} - {"null"} if isinstance(kind, str) else set(kind) - {"null"}


def test_the_document_is_valid_openapi_3_1(openapi: dict[str, Any]) -> None:
    assert openapi["openapi"] == "3.1.0"
    validate(json.loads(msgspec.json.encode(openapi)))


def test_every_operation_of_the_original_has_its_names(openapi: dict[str, Any], real_names: Any) -> None:
    ours = dict(operations(openapi))
    assert len(real_names["operations"]) == 41
    for key, real in real_names["operations"].items():
        operation = ours[key]
        assert operation["operationId"] == real["operationId"]
        body = (
            operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        )
        assert reference(body) == real["request"], key
        assert body.get("title") == real.get("request_title"), key
        reply = operation["responses"]["200"]["content"]["application/json"]["schema"]
        if real["response"]:
            assert reference(reply) == real["response"], key
            assert reply.get("title") == real["response_title"], key
        assert set(real["statuses"]) <= set(operation["responses"]), key


def test_every_property_of_the_original_is_there_with_its_type(
    openapi: dict[str, Any], real_names: Any
) -> None:
    schemas = openapi["components"]["schemas"]
    for name, real in real_names["schemas"].items():
        properties = schemas[name]["properties"]
        assert set(real["required"]) <= set(schemas[name].get("required", [])), name
        for key, kind in real["properties"].items():
            ours = types_of(properties[key], schemas)
            assert kind == "any" or not ours or kind in ours, (name, key, kind, ours)


def test_every_reference_leads_somewhere(openapi: dict[str, Any]) -> None:
    text = msgspec.json.encode(openapi).decode()
    targets = {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert targets <= openapi["components"]["schemas"].keys()


def test_operation_ids_are_unique(openapi: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, operation in operations(openapi)]
    assert len(ids) == len(set(ids)) == len(ROUTES) == len(BY_ID)


def test_every_field_and_route_says_what_it_is(openapi: dict[str, Any]) -> None:
    for key, operation in operations(openapi):
        assert operation["summary"], key
    for name, schema in openapi["components"]["schemas"].items():
        assert schema.get("description"), name
        if name not in ("Options", "Flags"):
            for field, shape in schema["properties"].items():
                assert len(shape["description"]) > 5, (name, field)
                assert shape["description"].endswith("."), (name, field)


def test_null_is_in_the_schema_exactly_where_the_original_accepts_it(openapi: dict[str, Any]) -> None:
    properties = openapi["components"]["schemas"]["StableDiffusionProcessingTxt2Img"]["properties"]
    firm = {name for name, shape in properties.items() if {"type": "null"} not in shape.get("anyOf", [])}
    assert firm == {"sampler_index", "script_args", "send_images", "save_images", "alwayson_scripts"}


def test_bounds_reach_the_document(openapi: dict[str, Any]) -> None:
    properties = openapi["components"]["schemas"]["ExtrasSingleImageRequest"]["properties"]
    assert (properties["gfpgan_visibility"]["minimum"], properties["gfpgan_visibility"]["maximum"]) == (0, 1)
    assert properties["upscaling_resize"]["exclusiveMinimum"] == 0
    assert properties["resize_mode"]["enum"] == [0, 1]


def test_headers_of_replies_are_told(openapi: dict[str, Any]) -> None:
    reply = openapi["paths"]["/sdapi/v1/txt2img"]["post"]["responses"]["200"]
    assert set(reply["headers"]) == {"X-Sdapi-Ignored-Fields", "X-Sdapi-Task-Id"}


def test_422_is_told_where_something_is_checked(openapi: dict[str, Any]) -> None:
    ours = dict(operations(openapi))
    for key in ("POST /sdapi/v1/txt2img", "POST /sdapi/v1/options", "GET /sdapi/v1/progress"):
        content = ours[key]["responses"]["422"]["content"]["application/json"]
        assert reference(content["schema"]) == "HTTPValidationError"
    for key in ("POST /sdapi/v1/interrupt", "GET /sdapi/v1/samplers"):
        assert "422" not in ours[key]["responses"]


def test_a_login_is_asked_for_only_where_there_is_one(
    tables: dict[str, Any], openapi: dict[str, Any]
) -> None:
    assert "securitySchemes" not in openapi["components"]
    assert all("security" not in operation for _, operation in operations(openapi))
    locked = document(ROUTES, tables, About("t", "1", auth=True))
    validate(json.loads(msgspec.json.encode(locked)))
    assert locked["components"]["securitySchemes"] == {"HTTPBasic": {"type": "http", "scheme": "basic"}}
    for _, operation in operations(locked):
        assert operation["security"] == [{"HTTPBasic": []}]
        assert "401" in operation["responses"]


def test_a_subpath_becomes_the_server(tables: dict[str, Any], openapi: dict[str, Any]) -> None:
    assert "servers" not in openapi
    assert document(ROUTES, tables, About("t", "1", subpath="/sd"))["servers"] == [{"url": "/sd"}]


def test_only_the_routes_given_are_described() -> None:
    ping = BY_ID["ping_internal_ping_get"]
    small = document([ping], {}, About("t", "1"))
    assert list(small["paths"]) == ["/internal/ping"]
    assert [tag["name"] for tag in small["tags"]] == ["server"]
    validate(small)


@pytest.mark.parametrize("response", [None, {"type": "null"}, list[int], dict[str, str], int | None])
def test_replies_of_any_shape(response: Any) -> None:
    doc = RouteDoc(
        method="GET", path="/x", operation_id="x_x_get", tag=Tag.SERVER, summary="X", response=response
    )
    validate(json.loads(msgspec.json.encode(document([doc], {}, About("t", "1")))))
