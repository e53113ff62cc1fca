"""An HTML form -> the object its author meant. All a form has is texts; the schema tells what they stand for.

The original refuses forms; curl and plain HTML pages send them, so they are read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import inspect

from sdapi_compat.schema.body import Form


def form_values(form: Form, fields: Mapping[str, inspect.Field]) -> dict[str, Any]:
    """The form's values for a schema with these `fields`; unknown names are kept as they are.

    A field left empty counts as absent unless it is a text. Lists are repeated fields or JSON, objects JSON.
    """
    values: dict[str, Any] = {}
    for name, texts in form.fields.items():
        kind = bare(fields[name].type) if name in fields else None
        if texts[-1] or kind is None or isinstance(kind, inspect.StrType):
            values[name] = field_value(kind, texts)
    return values


def field_value(kind: inspect.Type | None, texts: list[str]) -> Any:
    """One field's value: the last text, or what its JSON holds, or the list of texts."""
    if isinstance(kind, (inspect.DictType, inspect.AnyType)):
        return literal(texts[-1])
    if isinstance(kind, inspect.ListType):
        whole = literal(texts[0]) if len(texts) == 1 else texts
        return whole if isinstance(whole, list) else texts
    return texts[-1]


def form_object(form: Form) -> dict[str, Any]:
    """A form without a schema: a text that is JSON ("2", "true", "null") stands for its value."""
    return {name: literal(texts[-1]) for name, texts in form.fields.items()}


def literal(text: str) -> Any:
    """The JSON value of `text`, or the text itself."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return text


def bare(kind: inspect.Type) -> inspect.Type:
    """The type under notes and `| None`."""
    if isinstance(kind, inspect.Metadata):
        return bare(kind.type)
    if isinstance(kind, inspect.UnionType):
        members = [member for member in kind.types if not isinstance(member, inspect.NoneType)]
        return bare(next((one for one in members if isinstance(one, inspect.StrType)), members[0]))
    return kind
