"""How one JSON value becomes a number, text, switch, list or object, with pydantic 1's leniency and words.

A1111 1.10.1 behaviour (it validates with pydantic 1.10): text and numbers stand in for each other, fractions
are cut off, true counts as 1, and pairs count as an object.
"""

from __future__ import annotations

import operator
from typing import Any

from msgspec import inspect

LONGEST_INTEGER = 4300
"""Digits of the longest text read as an integer; the time to read one grows with the square of its length."""

TRUE = frozenset({"1", "on", "t", "true", "y", "yes"})
FALSE = frozenset({"0", "off", "f", "false", "n", "no"})
BOUNDS = (
    ("gt", operator.gt, "greater than"),
    ("ge", operator.ge, "greater than or equal to"),
    ("lt", operator.lt, "less than"),
    ("le", operator.le, "less than or equal to"),
)


class Unfit(Exception):
    """A value that does not fit; carries the words of the reply, and never leaves this folder."""

    def __init__(self, msg: str, kind: str, ctx: dict[str, object] | None = None) -> None:
        super().__init__(msg)
        self.msg = msg
        self.kind = kind
        self.ctx = ctx


def integer(value: Any) -> int:
    """20, 20.7, "20", " 20 " and true are integers; raises Unfit for the rest."""
    if isinstance(value, str) and len(value) > LONGEST_INTEGER:
        raise Unfit("value is not a valid integer", "type_error.integer")
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise Unfit("value is not a valid integer", "type_error.integer") from None


def floating(value: Any) -> float:
    """7, 7.0, "7.0", true and NaN are floats; raises Unfit for the rest."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise Unfit("value is not a valid float", "type_error.float") from None


def boolean(value: Any) -> bool:
    """true, 1, 1.0, "1", "on", "t", "true", "y", "yes" and their opposites in any case; else Unfit."""
    if isinstance(value, str):
        word = value.lower()
        if word in TRUE:
            return True
        if word in FALSE:
            return False
    elif isinstance(value, (int, float)) and value in (0, 1):
        return bool(value)
    raise Unfit("value could not be parsed to a boolean", "type_error.bool")


def text(value: Any) -> str:
    """A text, or a number or switch as Python writes it ("7.0", "True"); raises Unfit for the rest."""
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)):
        return written(value)
    raise Unfit("str type expected", "type_error.str")


def written(number: float) -> str:
    """The number as text; raises Unfit for an integer too long to write."""
    try:
        return str(number)
    except ValueError:
        raise Unfit("str type expected", "type_error.str") from None


def listing(value: Any) -> list[Any]:
    """A list; raises Unfit for the rest."""
    if isinstance(value, list):
        return value
    raise Unfit("value is not a valid list", "type_error.list")


def mapping(value: Any) -> dict[Any, Any]:
    """An object, or a list of pairs, or anything empty; raises Unfit for the rest."""
    if isinstance(value, dict):
        return value
    try:
        return dict(value)
    except (TypeError, ValueError):
        raise Unfit("value is not a valid dict", "type_error.dict") from None


def record(value: Any) -> dict[str, Any]:
    """Named values: what `mapping` takes, if every name is a text; raises Unfit for the rest."""
    pairs = mapping(value)
    if all(isinstance(name, str) for name in pairs):
        return pairs
    raise Unfit("keywords must be strings", "type_error")


def constant(value: Any, permitted: tuple[Any, ...]) -> Any:
    """The permitted constant that equals `value` ("1" is not 1); raises Unfit if there is none."""
    for choice in permitted:
        if choice == value:
            return choice
    shown = ", ".join(map(repr, permitted))
    ctx: dict[str, object] = {"given": value, "permitted": list(permitted)}
    raise Unfit(f"unexpected value; permitted: {shown}", "value_error.const", ctx)


def within(value: float, bounds: inspect.IntType | inspect.FloatType) -> None:
    """Raises Unfit for a number outside `bounds`; NaN is outside every bound."""
    for name, holds, words in BOUNDS:
        limit = getattr(bounds, name)
        if limit is not None and not holds(value, limit):
            ctx: dict[str, object] = {"limit_value": limit}
            raise Unfit(f"ensure this value is {words} {limit}", f"value_error.number.not_{name}", ctx)
