"""Script arguments as typed Structs: bound from positional lists, described for /script-info and OpenAPI."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from sdapi_compat.errors import InvalidRequest, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

A = TypeVar("A", bound=msgspec.Struct)
FIELD = re.compile(r"`\$\.(\w+)")


def argument(
    label: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    step: float | None = None,
    choices: Sequence[str] | None = None,
) -> msgspec.Meta:
    """Metadata of one argument, for `Annotated[type, argument(...)]`: shown to people, not enforced."""
    shown = {
        "minimum": minimum,
        "maximum": maximum,
        "step": step,
        "choices": list(choices) if choices else None,
    }
    documented = {"minimum": minimum, "maximum": maximum, "enum": shown["choices"]}
    schema = {key: value for key, value in documented.items() if value is not None}
    return msgspec.Meta(title=label, extra=shown, extra_json_schema=schema)


class ArgumentInfo(NamedTuple):
    """One argument as /script-info shows it."""

    label: str
    value: Any
    minimum: float | None
    maximum: float | None
    step: float | None
    choices: list[str] | None


def describe(arguments: type[msgspec.Struct]) -> list[ArgumentInfo]:
    """The arguments in positional order."""
    info = msgspec.inspect.type_info(arguments)
    assert isinstance(info, msgspec.inspect.StructType)
    return [_describe_field(field) for field in info.fields]


def _describe_field(field: msgspec.inspect.Field) -> ArgumentInfo:
    meta = field.type if isinstance(field.type, msgspec.inspect.Metadata) else None
    shown = (meta.extra or {}) if meta else {}
    label = (meta.extra_json_schema or {}).get("title", field.name) if meta else field.name
    value = None if field.default is msgspec.NODEFAULT else field.default
    return ArgumentInfo(
        label=label,
        value=value,
        minimum=shown.get("minimum"),
        maximum=shown.get("maximum"),
        step=shown.get("step"),
        choices=shown.get("choices"),
    )


def bind(arguments: type[A], values: Sequence[Any], where: tuple[str | int, ...]) -> A:
    """Positional values as the Struct: missing ones keep their default, surplus ones are dropped.

    Raises InvalidRequest naming the position of a value of the wrong type.
    """
    names = [field.name for field in msgspec.structs.fields(arguments)]
    given = dict(zip(names, values, strict=False))
    try:
        return msgspec.convert(given, arguments, strict=False)
    except msgspec.ValidationError as error:
        text = str(error)
        found = FIELD.search(text)
        place = names.index(found[1]) if found else 0
        raise InvalidRequest([Problem((*where, place), text, "type_error")]) from None
