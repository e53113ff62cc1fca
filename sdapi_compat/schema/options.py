"""The schemas of options and command-line flags, whose properties come from the tables that define them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Row = tuple[str, object, str]
"""Name, default, and a few words."""

OPTION_TYPES = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", tuple: "array"}
FLAG_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}


def options_schema(rows: Iterable[Row]) -> dict[str, Any]:
    """The schema `Options`. Any option may be null; whole numbers may be shown with a point."""
    properties = {key: option_property(key, default, label) for key, default, label in rows}
    return {
        "title": "Options",
        "type": "object",
        "description": "Every option with its value.",
        "properties": properties,
    }


def option_property(key: str, default: object, label: str) -> dict[str, Any]:
    """One option; no type where the default gives none."""
    kind = OPTION_TYPES.get(type(default))
    shape: dict[str, Any] = {"title": title(key)}
    if kind is not None:
        shape |= {"type": [kind, "null"], "default": plain(default)}
    return described(shape, kind, label)


def flags_schema(rows: Iterable[Row]) -> dict[str, Any]:
    """The schema `Flags`. A flag without a default is a text or null."""
    properties = {key: flag_property(key, default, label) for key, default, label in rows}
    return {
        "title": "Flags",
        "type": "object",
        "description": "The command line of the server, by flag; what is unset and has no default is null.",
        "properties": properties,
    }


def flag_property(key: str, default: object, label: str) -> dict[str, Any]:
    """One flag."""
    if default is None:
        return described({"title": title(key), "type": ["string", "null"]}, "string", label)
    kind = FLAG_TYPES[list if isinstance(default, tuple) else type(default)]
    return described({"title": title(key), "type": kind, "default": plain(default)}, kind, label)


def described(shape: dict[str, Any], kind: str | None, label: str) -> dict[str, Any]:
    """`shape` with its words, and with items if it is an array."""
    items: dict[str, Any] = {"items": {}} if kind == "array" else {}
    return {**shape, **items, **({"description": label} if label else {})}


def plain(default: object) -> object:
    """A default as JSON has it."""
    return list(default) if isinstance(default, tuple) else default


def title(name: str) -> str:
    """The title that FastAPI derives from a field's name."""
    return name.replace("_", " ").title()
