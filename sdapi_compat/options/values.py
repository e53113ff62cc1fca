"""How option values are read: coercion to the type of an option's default.

A1111 1.10.1 stores whatever a request sends; a wrong type then breaks every GET of the options, or the next
generation. Here a value is turned into the type of the option's default before anything is stored:

- true/false options: the usual words for false ("false", "off", "no", "0", ...) in any case are false;
  anything else counts by its truth, as the original takes it.
- numbers: numbers, true/false as 1/0, and texts that are numbers. An option with a whole default keeps whole
  values whole (2.0 becomes 2) and takes fractions too.
- texts: texts, and numbers or true/false as written.
- lists: lists of such texts, or one text with commas between the names.

Refused, because a generation that read them would fail: numbers that are no number, infinite or too large
for a float, lists and objects where one value belongs, objects in lists, text that is not Unicode.
"""

from __future__ import annotations

import math
from typing import TypeAlias

from sdapi_compat.options.option import Default, Option

Value: TypeAlias = Default

FALSE_WORDS = frozenset({"false", "f", "off", "no", "n", "0", "", "none", "null"})
# Above this a float no longer holds every whole number, and a value could change on its way through a reply.
LARGEST_WHOLE = 2**53


def coerce(option: Option, value: object) -> Value:
    """`value`, which is not None, in the type of the option's default.

    Raises ValueError, with a message that names the option, when there is no such value.
    """
    default = option.default
    if isinstance(default, bool):
        return _truth(value)
    try:
        if isinstance(default, (int, float)):
            return _number(value, whole=isinstance(default, int))
        if isinstance(default, tuple):
            return _names(value)
        return _text(value)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"option {option.key!r}: {error}") from error


def _truth(value: object) -> bool:
    if isinstance(value, str):
        return value.strip().lower() not in FALSE_WORDS
    return bool(value)


def _number(value: object, *, whole: bool) -> int | float:
    if not isinstance(value, (int, float, str)):
        raise ValueError(f"expected a number, got {_kind(value)}")
    if isinstance(value, int) and whole and abs(value) <= LARGEST_WHOLE:
        return int(value)
    try:
        number = float(value)
    except ValueError:
        raise ValueError(f"expected a number, got {str(value)[:40]!r}") from None
    if not math.isfinite(number):
        raise ValueError("expected a finite number")
    return int(number) if whole and number.is_integer() and abs(number) <= LARGEST_WHOLE else number


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(_text(name.strip()) for name in value.split(",") if name.strip())
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"expected a list, got {_kind(value)}")
    return tuple(_text(name) for name in value)


def _text(value: object) -> str:
    if not isinstance(value, (str, int, float)):
        raise ValueError(f"expected a text, got {_kind(value)}")
    text = str(value)
    # A lone surrogate can be held in a str but never be written to a file or a reply.
    text.encode("utf-8")
    return text


def _kind(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, dict):
        return "an object"
    return "null" if value is None else "a single value"
