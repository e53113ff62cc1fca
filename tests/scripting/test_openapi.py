"""Arguments of plugins in the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from sdapi_compat.scripting import Extension, Script, argument
from sdapi_compat.scripting.index import ScriptIndex
from sdapi_compat.scripting.openapi import REQUESTS, add_script_arguments


class Point(msgspec.Struct):
    x: int = 0


class Arguments(msgspec.Struct):
    strength: Annotated[float, argument("Strength", minimum=0)] = 1.0
    centre: Point = msgspec.field(default_factory=Point)


class Blur(Script):
    title = "Blur & more!"
    Arguments = Arguments


class Tone(Extension):
    title = "Tone"


def document() -> dict[str, Any]:
    properties = {"script_args": {"description": "Its arguments."}, "alwayson_scripts": {}}
    schemas = {
        name: {"properties": {key: dict(value) for key, value in properties.items()}} for name in REQUESTS
    }
    return {"components": {"schemas": schemas}}


def test_every_plugin_has_a_schema_and_both_requests_point_at_it() -> None:
    made = document()
    add_script_arguments(made, ScriptIndex([Blur()], [Tone()]))
    schemas = made["components"]["schemas"]
    assert schemas["blur_more_Arguments"]["properties"]["strength"]["minimum"] == 0
    reference = schemas["blur_more_Arguments"]["properties"]["centre"]
    assert "#/components/schemas/blur_more_Point" in str(reference)
    assert "blur_more_Point" in schemas
    for request in REQUESTS:
        fields = schemas[request]["properties"]
        assert fields["script_args"]["description"].startswith("Its arguments.\n\n`Blur & more!`: ")
        assert "`blur_more_Arguments`" in fields["script_args"]["description"]
        assert "`tone_NoArguments`" in fields["alwayson_scripts"]["description"]


def test_without_plugins_nothing_is_added() -> None:
    made = document()
    add_script_arguments(made, ScriptIndex([], []))
    assert list(made["components"]["schemas"]) == list(REQUESTS)
    assert made["components"]["schemas"][REQUESTS[0]]["properties"]["alwayson_scripts"] == {"description": ""}
