"""How the values of an axis are written: `1, 2, 5`, `1-5`, `1-9 (+2)`, `1-10 [4]`, `"a, b", c`."""

from __future__ import annotations

import csv
import io
import math
import re
from itertools import permutations
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST = 10_000
T = TypeVar("T", int, float)


def _range_pattern(number: str) -> re.Pattern[str]:
    return re.compile(rf"([+-]?{number})\s*-\s*([+-]?{number})\s*(?:\(([+-]{number})\s*\)|\[(\d+)\s*\])?")


INTEGERS = _range_pattern(r"\d+")
FLOATS = _range_pattern(r"\d+(?:\.\d*)?")


def split(text: str) -> list[str]:
    """Texts between commas; quotes hold together what has a comma in it, or a line break.

    Raises ValueError for a text no reader of such lists takes.
    """
    try:
        return [
            value.strip() for row in csv.reader(io.StringIO(text), skipinitialspace=True) for value in row
        ]
    except csv.Error as error:
        raise ValueError(str(error)) from None


def joined(values: Iterable[object]) -> str:
    """The inverse of `split`."""
    line = io.StringIO()
    csv.writer(line).writerow(list(values))
    return line.getvalue().strip()


def integers(texts: Iterable[str]) -> list[int]:
    """Numbers and ranges. Raises ValueError for what is neither, and for more than 10,000 values.

    A1111 1.10.1 behaviour: a range ends one beyond its last number also where it goes down, so `5-1 (-1)`
    is 5, 4, 3; spaced-out values are cut off: `1-10 [4]` is 1, 4, 7, 10.
    """
    return list(_bounded(value for text in texts if text for value in _integers(text)))


def _integers(text: str) -> Iterable[int]:
    found = INTEGERS.fullmatch(text)
    if found is None:
        return [int(text)]
    start, end = int(found[1]), int(found[2])
    if found[4] is not None:
        return (int(value) for value in _spaced(start, end, int(found[4])))
    return range(start, end + 1, int(found[3] or 1))


def floats(texts: Iterable[str]) -> list[float]:
    """As `integers`, with fractions. A1111 1.10.1 behaviour: a step may lead past the last number once."""
    return list(_bounded(value for text in texts if text for value in _floats(text)))


def _floats(text: str) -> Iterable[float]:
    found = FLOATS.fullmatch(text)
    if found is None:
        return [float(text)]
    start, end = float(found[1]), float(found[2])
    if found[4] is not None:
        return _spaced(start, end, int(found[4]))
    step = float(found[3] or 1)
    if step == 0:
        raise ValueError(f"the step of {text} is 0")
    if (end + step - start) / step > MOST:
        raise ValueError(f"more than {MOST} values")
    return [float(value) for value in np.arange(start, end + step, step)]


def _spaced(start: float, end: float, count: int) -> list[float]:
    if count > MOST:
        raise ValueError(f"more than {MOST} values")
    return [float(value) for value in np.linspace(start, end, count)]


def orders(texts: list[str]) -> list[tuple[str, ...]]:
    """Every order of the texts. Raises ValueError for more than 10,000."""
    if len(texts) > MOST or math.factorial(min(len(texts), MOST.bit_length())) > MOST:
        raise ValueError(f"more than {MOST} orders")
    return list(permutations(texts))


def _bounded(values: Iterable[T]) -> Iterator[T]:
    for count, value in enumerate(values):
        if count >= MOST:
            raise ValueError(f"more than {MOST} values")
        if not math.isfinite(value):
            raise ValueError(f"{value} is no number to draw with")
        yield value
