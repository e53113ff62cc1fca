"""Composition: several prompts joined by AND, each with its own weight."""

from __future__ import annotations

import re
from typing import NamedTuple

_AND = re.compile(r"\bAND\b")
_WEIGHT = re.compile(r"[+-]?(?:\d+\.?|\d*\.\d+)")


class SubPrompt(NamedTuple):
    """One part of a composed prompt; `weight` multiplies its difference from the unconditional prediction."""

    text: str
    weight: float


def split(prompt: str) -> list[SubPrompt]:
    """Split a positive prompt at every whole word AND; at least one part comes back.

    A1111 1.10.1 behaviour: a part may end in ": number", which is its weight (1.0 otherwise) and is removed.
    This holds without any AND as well, so "ratio 16:9" is "ratio 16" with weight 9. Whitespace at the end of
    a part is dropped, at its start kept. Brackets do not protect AND.
    """
    return [_weighted(part) for part in _AND.split(prompt)]


def _weighted(part: str) -> SubPrompt:
    part = part.rstrip()
    text, colon, number = part.rpartition(":")
    number = number.lstrip()
    if colon and _WEIGHT.fullmatch(number):
        return SubPrompt(text.rstrip(), float(number))
    return SubPrompt(part, 1.0)
