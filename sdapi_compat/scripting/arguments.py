"""Script arguments as typed Structs: bound from positional lists, described for /script-info and OpenAPI."""

from __future__ import annotations

import re
from collections.abc import Mapping
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
    choices: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
) -> msgspec.Meta:
    """Metadata of one argument, for `Annotated[type, argument(...)]`: shown to people, not enforced.

    `choices`: for both routes, or by their names, "txt2img" and "img2img".
    """
    shown = {
        "minimum": minimum,
        "maximum": maximum,
        "step": step,
        "choices": choices,
    }
    enum = None if not choices or isinstance(choices, Mapping) else list(choices)
    documented = {"minimum": minimum, "maximum": maximum, "enum": enum}
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


def describe(arguments: type[msgspec.Struct], kind: str = "txt2img") -> list[ArgumentInfo]:
    """The arguments in positional order, as the route `kind` has them."""
    info = msgspec.inspect.type_info(arguments)
    assert isinstance(info, msgspec.inspect.StructType)
    return [_describe_field(field, kind) for field in info.fields]


def _describe_field(field: msgspec.inspect.Field, kind: str) -> ArgumentInfo:
    meta = field.type if isinstance(field.type, msgspec.inspect.Metadata) else None
    shown = (meta.extra or {}) if meta else {}
    label = (meta.extra_json_schema or {}).get("title", field.name) if meta else field.name
    value = None if field.default is msgspec.NODEFAULT else field.default
    choices = shown.get("choices")
    if isinstance(choices, Mapping):
        choices = choices[kind]
    return ArgumentInfo(
        label=label,
        value=value,
        minimum=shown.get("minimum"),
        maximum=shown.get("maximum"),
        step=shown.get("step"),
        choices=None if choices is None else list(choices),
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


def refused(message: str, place: int | None = None) -> InvalidRequest:
    """To be raised for an argument that makes no sense; `place` is its position in script_args, from 0."""
    where: tuple[str | int, ...] = ("body", "script_args")
    return InvalidRequest([Problem(where if place is None else (*where, place), message, "value_error")])
