"""Options and Flags: schemas made from rows."""

from __future__ import annotations

from typing import Any

import pytest

from sdapi_compat.schema.options import flags_schema, options_schema


@pytest.mark.parametrize(
    ("default", "expected"),
    [
        (True, {"type": ["boolean", "null"], "default": True}),
        (False, {"type": ["boolean", "null"], "default": False}),
        (1, {"type": ["number", "null"], "default": 1}),
        (0.5, {"type": ["number", "null"], "default": 0.5}),
        ("png", {"type": ["string", "null"], "default": "png"}),
        (("a", "b"), {"type": ["array", "null"], "default": ["a", "b"], "items": {}}),
        ([], {"type": ["array", "null"], "default": [], "items": {}}),
        (None, {}),
    ],
)
def test_an_option_has_the_type_of_its_default(default: object, expected: dict[str, Any]) -> None:
    schema = options_schema([("some_key", default, "What it does")])
    assert schema["properties"] == {
        "some_key": {"title": "Some Key", "description": "What it does", **expected}
    }


@pytest.mark.parametrize(
    ("default", "expected"),
    [
        (None, {"type": ["string", "null"]}),
        (False, {"type": "boolean", "default": False}),
        (30, {"type": "integer", "default": 30}),
        ("x", {"type": "string", "default": "x"}),
        ((), {"type": "array", "default": [], "items": {}}),
        ({}, {"type": "object", "default": {}}),
    ],
)
def test_a_flag_without_a_default_is_a_text(default: object, expected: dict[str, Any]) -> None:
    assert flags_schema([("port", default, "")])["properties"] == {"port": {"title": "Port", **expected}}


def test_order_and_names_are_those_of_the_rows() -> None:
    schema = options_schema([("b", 1, ""), ("a", 2, "")])
    assert list(schema["properties"]) == ["b", "a"]
    assert (schema["title"], flags_schema([])["title"]) == ("Options", "Flags")


def test_flags_have_the_types_of_the_original(real_names: Any) -> None:
    samples: dict[str, object] = {"boolean": False, "string": None, "integer": 1, "array": [], "object": {}}
    real = real_names["schemas"]["Flags"]["properties"]
    assert len(real) == 126
    properties = flags_schema((key, samples[kind], "") for key, kind in real.items())["properties"]
    for key, kind in real.items():
        assert kind in properties[key]["type"]
