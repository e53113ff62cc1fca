"""Attention syntax: brackets that weigh parts of a prompt, and the word BREAK.

    (a)      1.1          [a]      1/1.1        (a:1.5)   1.5
    ((a))    1.1 * 1.1    \\( \\) \\[ \\] \\\\    literal characters

Round and square brackets are matched independently of each other and multiply where they overlap.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from sdapi_compat.errors import Fault

ROUND_FACTOR = 1.1
SQUARE_FACTOR = 1 / 1.1

_TOKEN = re.compile(
    r"""
      \\(?P<escaped>[()\[\]\\]?)
    | (?P<open>[(\[])
    | :\s*(?P<weight>[+-]?[.\d]+)\s*\)
    | (?P<close>[)\]])
    | (?P<plain>[^\\()\[\]:]+|:)
    """,
    re.VERBOSE,
)
_BREAK_WORD = re.compile(r"\bBREAK\b")


class Fragment(NamedTuple):
    """A run of text with one weight; fragments are tokenised separately."""

    text: str
    weight: float

    @property
    def is_break(self) -> bool:
        """Whether this is the marker that ends a chunk rather than text."""
        return self == BREAK


BREAK = Fragment("BREAK", -1.0)


def parse(text: str) -> list[Fragment]:
    """Split a text into weighted fragments; at least one comes back.

    A1111 1.10.1 behaviour: brackets still open at the end count as closed there, surplus closing ones are
    literal, a backslash before anything but a bracket or a backslash vanishes. The whole upper-case word
    BREAK becomes the marker `BREAK` and loses the whitespace around it; inside brackets the marker's weight
    is multiplied too, so it is no marker any more but the word with a negative weight.

    Raises Fault("ValueError") for a weight with misplaced dots such as "(a:1.2.3)".
    """
    scanner = _Scanner()
    for token in _TOKEN.finditer(text):
        scanner.take(token)
    return scanner.fragments() or [Fragment("", 1.0)]


class _Brackets:
    """The pairs of one kind of bracket, as ranges of piece numbers that nest."""

    def __init__(self, factor: float) -> None:
        self._factor = factor
        self._starts: list[int] = []
        self._ranges: list[tuple[int, int, float]] = []

    @property
    def is_open(self) -> bool:
        return bool(self._starts)

    def open(self, at: int) -> None:
        self._starts.append(at)

    def close(self, at: int, factor: float | None = None) -> None:
        start = self._starts.pop()
        if start < at:
            self._ranges.append((start, at, self._factor if factor is None else factor))

    def factors(self, count: int) -> list[float]:
        """The product of the factors around each of `count` pieces.

        A stack of running products, not one multiplication per pair and piece, which would be quadratic.
        """
        while self.is_open:
            self.close(count)
        if not self._ranges:
            return [1.0] * count
        opening: defaultdict[int, list[float]] = defaultdict(list)
        closing: Counter[int] = Counter()
        # Inner pairs were recorded before outer ones; a stack needs the outer ones first.
        for start, end, factor in reversed(self._ranges):
            opening[start].append(factor)
            closing[end] += 1
        products = [1.0]
        result = []
        for piece in range(count):
            if piece in closing:
                del products[-closing[piece] :]
            for factor in opening.get(piece, ()):
                products.append(products[-1] * factor)
            result.append(products[-1])
        return result


class _Scanner:
    """Collects pieces of literal text, each with a weight of its own, and the bracket pairs around them."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._weights: list[float] = []
        self._round = _Brackets(ROUND_FACTOR)
        self._square = _Brackets(SQUARE_FACTOR)

    def take(self, token: re.Match[str]) -> None:
        kind, text, here = token.lastgroup, token[0], len(self._texts)
        brackets = self._round if text in ("(", ")") else self._square
        if kind == "escaped":
            self._put(token["escaped"])
        elif kind == "open":
            brackets.open(here)
        elif kind == "close" and brackets.is_open:
            brackets.close(here)
        elif kind == "weight" and self._round.is_open:
            self._round.close(here, _number(token["weight"]))
        elif BREAK.text in text:
            self._put_around_breaks(_BREAK_WORD.split(text))
        else:
            self._put(text)

    def _put(self, text: str, weight: float = 1.0) -> None:
        self._texts.append(text)
        self._weights.append(weight)

    def _put_around_breaks(self, parts: list[str]) -> None:
        last = len(parts) - 1
        for number, part in enumerate(parts):
            if number > 0:
                self._put(*BREAK)
                part = part.lstrip()
            self._put(part if number == last else part.rstrip())

    def fragments(self) -> list[Fragment]:
        count = len(self._texts)
        factors = zip(self._weights, self._round.factors(count), self._square.factors(count), strict=True)
        weights = [own * inside_round * inside_square for own, inside_round, inside_square in factors]
        pieces = zip(weights, self._texts, strict=True)
        return [
            Fragment("".join(text for _, text in run), weight)
            for weight, run in groupby(pieces, key=itemgetter(0))
        ]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise Fault("ValueError", str(error)) from error
