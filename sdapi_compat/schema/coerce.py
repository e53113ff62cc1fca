"""Python value -> Struct, as lenient as the original, or every problem of the request at once.

A1111 1.10.1 behaviour: pydantic 1 validates each field in the order of the schema and reports all that do not
fit. msgspec stops at the first and converts less, so its inspected types drive the same rules here, and
msgspec.convert then builds the Struct from values that already have their types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct, inspect

from sdapi_compat.errors import InvalidRequest, Problem
from sdapi_compat.schema import scalars
from sdapi_compat.schema.body import Form, read
from sdapi_compat.schema.forms import form_object, form_values
from sdapi_compat.schema.scalars import Unfit

T = TypeVar("T", bound=Struct)
Loc = tuple[str | int, ...]

MISSING = ("field required", "value_error.missing")
NULL = ("none is not an allowed value", "type_error.none.not_allowed")
MOST_NAMES = 32
LONGEST_NAME = 64


class Decoded(Struct, Generic[T], frozen=True):
    """A request: its Struct, the fields the client set itself (also to null), and the names nobody knows.

    `ignored` is sorted, short, and free of characters that an HTTP header cannot carry.
    """

    value: T
    given: frozenset[str]
    ignored: tuple[str, ...]


def decode(kind: type[T], body: bytes, content_type: str | None) -> Decoded[T]:
    """The request of schema `kind` that `body` holds.

    Raises InvalidRequest with every problem, or UnreadableBody for bytes that are no text.
    """
    raw = read(body, content_type)
    values = form_values(raw, fields_of(kind)) if isinstance(raw, Form) else top(raw, scalars.record)
    problems: list[Problem] = []
    fitting = struct_values(kind, values, ("body",), problems)
    if problems:
        raise InvalidRequest(problems)
    known = fields_of(kind).keys()
    return Decoded(
        msgspec.convert(fitting, kind),
        frozenset(known & values.keys()),
        header_names(name for name in values if name not in known),
    )


def decode_object(body: bytes, content_type: str | None) -> dict[str, Any]:
    """The free object that `body` holds: options, or keyword arguments of training.

    Raises InvalidRequest for a body that is missing or no object.
    """
    raw = read(body, content_type)
    if isinstance(raw, Form):
        return form_object(raw)
    return {str(name): value for name, value in top(raw, scalars.mapping).items()}


def query_bool(name: str, value: str | None, default: bool = False) -> bool:
    """A switch in the query, `default` where absent. Raises InvalidRequest for an unknown word."""
    if value is None:
        return default
    try:
        return scalars.boolean(value)
    except Unfit as unfit:
        raise InvalidRequest([problem(("query", name), unfit)]) from None


def top(raw: Any, rule: Callable[[Any], dict[Any, Any]]) -> dict[Any, Any]:
    """The object a body must hold, by one of the rules for objects. Raises InvalidRequest."""
    if raw is None:
        raise InvalidRequest([Problem(("body",), *MISSING)])
    try:
        return rule(raw)
    except Unfit as unfit:
        raise InvalidRequest([problem(("body",), unfit)]) from None


def problem(loc: Loc, unfit: Unfit) -> Problem:
    """The reply's entry for a value that does not fit."""
    return Problem(loc, unfit.msg, unfit.kind, unfit.ctx)


def header_names(names: Iterable[object]) -> tuple[str, ...]:
    """`names` sorted and fit for an HTTP header: at most 32 of 64 characters, visible ASCII, no commas."""
    clean = {"".join(c for c in str(name)[:LONGEST_NAME] if "!" <= c <= "~" and c != ",") for name in names}
    return tuple(sorted(clean - {""})[:MOST_NAMES])


@cache
def fields_of(kind: type[Struct]) -> dict[str, inspect.Field]:
    """The fields of a schema by their names on the wire, in order."""
    shape = inspect.type_info(kind)
    assert isinstance(shape, inspect.StructType)
    return {field.encode_name: field for field in shape.fields}


def struct_values(
    kind: type[Struct], values: dict[str, Any], loc: Loc, problems: list[Problem]
) -> dict[str, Any]:
    """The values that `kind` knows, each with its type; what is unfit or missing goes to `problems`."""
    fitting: dict[str, Any] = {}
    for name, field in fields_of(kind).items():
        if name in values:
            fitting[name] = coerce(field.type, values[name], (*loc, name), problems)
        elif field.required:
            problems.append(Problem((*loc, name), *MISSING))
    return fitting


def coerce(kind: inspect.Type, value: Any, loc: Loc, problems: list[Problem]) -> Any:
    """`value` as `kind`; where it does not fit, adds to `problems` and returns None."""
    if isinstance(kind, inspect.Metadata):
        return coerce(kind.type, value, loc, problems)
    if isinstance(kind, inspect.UnionType):
        return None if value is None else coerce(member_for(kind, value), value, loc, problems)
    if isinstance(kind, inspect.AnyType):
        return value
    if value is None:
        problems.append(Problem(loc, *NULL))
        return None
    try:
        return compound(kind, value, loc, problems)
    except Unfit as unfit:
        problems.append(problem(loc, unfit))
        return None


def member_for(kind: inspect.UnionType, value: Any) -> inspect.Type:
    """The type of a union that a value which is not null is meant for: the list type for a list."""
    others = [member for member in kind.types if not isinstance(member, inspect.NoneType)]
    lists = [member for member in others if isinstance(member, inspect.ListType)]
    singles = [member for member in others if member not in lists]
    return lists[0] if lists and (isinstance(value, list) or not singles) else singles[0]


def compound(kind: inspect.Type, value: Any, loc: Loc, problems: list[Problem]) -> Any:
    """`value` as a list, object, Struct or scalar; its parts report to `problems`. Raises Unfit."""
    if isinstance(kind, inspect.ListType):
        items = enumerate(scalars.listing(value))
        return [coerce(kind.item_type, item, (*loc, index), problems) for index, item in items]
    if isinstance(kind, inspect.DictType):
        pairs = scalars.mapping(value).items()
        return {str(key): coerce(kind.value_type, item, (*loc, str(key)), problems) for key, item in pairs}
    if isinstance(kind, inspect.StructType):
        return struct_values(kind.cls, scalars.record(value), loc, problems)
    return scalar(kind, value)


def scalar(kind: inspect.Type, value: Any) -> Any:
    """`value` as a number, text, switch or constant. Raises Unfit."""
    if isinstance(kind, inspect.StrType):
        return scalars.text(value)
    if isinstance(kind, inspect.BoolType):
        return scalars.boolean(value)
    if isinstance(kind, inspect.LiteralType):
        return scalars.constant(value, kind.values)
    if isinstance(kind, inspect.IntType):
        return bounded(scalars.integer(value), kind)
    if isinstance(kind, inspect.FloatType):
        return bounded(scalars.floating(value), kind)
    raise TypeError(f"no rule for a field of type {kind}")


def bounded(number: float, kind: inspect.IntType | inspect.FloatType) -> float:
    """`number`, if the schema's bounds hold it. Raises Unfit."""
    scalars.within(number, kind)
    return number
