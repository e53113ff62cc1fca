"""The text that describes a picture: prompt, negative prompt and a line of `key: value` pairs.

a red apple
Negative prompt: blurry
Steps: 6, Sampler: Euler, Size: 64x64, Lora hashes: "tiny: 20e7913ac05e", Version: v1.10.1
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import msgspec

NEGATIVE_PREFIX = "Negative prompt:"

# A prompt may well hold one or two things that look like pairs; a line of parameters holds more.
_FEWEST_PAIRS = 3

_VERSION = ", Version: "
_KEY_RUN = re.compile(r"[\w \-/]+")
_WORD = re.compile(r"\w")
_QUOTED = re.compile(r'"[^\\"]*(?:\\.[^\\"]*)*"(?=,|$)')
_RESOLUTION = re.compile(r"(\d+)x(\d+)")


class Infotext(msgspec.Struct, frozen=True):
    """A text taken apart. `fields` holds unquoted text; a `WxH` value became `key-1` and `key-2`."""

    prompt: str
    negative_prompt: str
    fields: dict[str, str]


def quote(value: object) -> str:
    """A value as it stands in the pair line: JSON when it holds a comma, colon or newline, else `str()`."""
    text = str(value)
    if "," not in text and ":" not in text and "\n" not in text:
        return text
    return json.dumps(value, ensure_ascii=False, default=str)


def unquote(text: str) -> str:
    """The inverse of `quote` for strings; text that is not a valid JSON string is returned as it is."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    try:
        return msgspec.json.decode(text, type=str)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return text


def write(prompt: str, negative_prompt: str, fields: Mapping[str, object]) -> str:
    """The infotext of one picture.

    A1111 1.10.1 behaviour: pairs keep the order of `fields`, a None value is omitted, a value equal to its
    key prints the key alone, floats print as in Python ("7.0"), an empty negative prompt has no line.
    """
    negative = f"\n{NEGATIVE_PREFIX} {negative_prompt}" if negative_prompt else ""
    return f"{prompt}{negative}\n{_written(fields)}".strip()


def extended(text: str, fields: Mapping[str, object]) -> str:
    """An infotext with more pairs at its end, though before the version."""
    before, version, after = text.rpartition(_VERSION)
    if not version or "\n" in after:
        before, version, after = text, "", ""
    pairs = _written(fields)
    return f"{before}, {pairs}{version}{after}" if pairs else text


def _written(fields: Mapping[str, object]) -> str:
    return ", ".join(
        key if key == value else f"{key}: {quote(value)}"
        for key, value in fields.items()
        if value is not None
    )


def parse_pairs(line: str) -> list[tuple[str, str]]:
    """The `key: value` pairs of one line, values raw, in time linear in the length of the line.

    A1111 1.10.1 behaviour: a key is a word character followed by one or more word characters, spaces, "-" or
    "/"; a value is a double-quoted string with backslash escapes, or whatever stands before the next comma.
    """
    pairs = []
    position = 0
    while run := _KEY_RUN.search(line, position):
        position = run.end()
        word = _WORD.search(line, run.start(), position)
        if not word or position - word.start() < 2 or not line.startswith(":", position):
            continue
        key = line[word.start() : position]
        start, position = _value_span(line, position + 1)
        pairs.append((key, line[start:position]))
    return pairs


def _value_span(line: str, after_colon: int) -> tuple[int, int]:
    start = after_colon
    while line[start : start + 1].isspace():
        start += 1
    if quoted := _QUOTED.match(line, start):
        return start, quoted.end()
    comma = line.find(",", start)
    return start, comma if comma >= 0 else len(line)


def parse(text: str) -> Infotext:
    """Take a text apart; never fails, any text is at least a prompt.

    A1111 1.10.1 behaviour: the last line is the pair line only if it holds three pairs or more. The negative
    prompt begins at the first line that starts with "Negative prompt:" and takes all lines after it.
    """
    lines = text.strip().split("\n")
    pairs = parse_pairs(lines[-1])
    if len(pairs) >= _FEWEST_PAIRS:
        lines.pop()
    else:
        pairs = []
    prompt: list[str] = []
    negative: list[str] = []
    part = prompt
    for line in map(str.strip, lines):
        if line.startswith(NEGATIVE_PREFIX):
            part = negative
            line = line[len(NEGATIVE_PREFIX) :].strip()
        if part or line:
            part.append(line)
    return Infotext("\n".join(prompt), "\n".join(negative), _fields(pairs))


def _fields(pairs: list[tuple[str, str]]) -> dict[str, str]:
    fields = {}
    for key, raw in pairs:
        if not raw:
            continue
        value = unquote(raw)
        if size := _RESOLUTION.fullmatch(value):
            fields[f"{key}-1"], fields[f"{key}-2"] = size.groups()
        else:
            fields[key] = value
    return fields
