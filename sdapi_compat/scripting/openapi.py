"""The arguments of scripts and extensions in the OpenAPI document."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sdapi_compat.scripting.index import ScriptIndex
    from sdapi_compat.scripting.protocol import Extension, Script

REQUESTS = ("StableDiffusionProcessingTxt2Img", "StableDiffusionProcessingImg2Img")
REFERENCE = "#/components/schemas/"


def add_script_arguments(document: dict[str, Any], index: ScriptIndex) -> None:
    """Put a schema of every plugin's arguments into `document`, and point at them from both requests."""
    schemas = document["components"]["schemas"]
    pointers = {
        "script_args": _add(schemas, index.scripts.values()),
        "alwayson_scripts": _add(schemas, index.extensions.values()),
    }
    for request in REQUESTS:
        for field, text in pointers.items():
            shape = schemas[request]["properties"][field]
            shape["description"] = "\n\n".join(filter(None, (shape.get("description"), text)))


def _add(schemas: dict[str, Any], plugins: Iterable[Script | Extension]) -> str:
    """Add the plugins' schemas; gives the sentences that name them."""
    lines = []
    for plugin in plugins:
        prefix = re.sub(r"[^a-z0-9]+", "_", plugin.title.lower()).strip("_")
        (own,), components = _schemas(plugin.Arguments, f"{prefix}_")
        schemas.update(components)
        name = own["$ref"].removeprefix(REFERENCE)
        lines.append(f"`{plugin.title}`: the properties of `{name}`, in this order.")
    return "\n".join(lines)


def _schemas(
    arguments: type[msgspec.Struct], prefix: str
) -> tuple[tuple[Mapping[str, Any], ...], dict[str, Any]]:
    """References and schemas whose names begin with `prefix`, so that plugins cannot meet."""
    references, components = msgspec.json.schema_components(
        [arguments], ref_template=f"{REFERENCE}{prefix}{{name}}"
    )
    return references, {prefix + name: schema for name, schema in components.items()}
