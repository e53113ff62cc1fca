"""Prompts made to be slow or deep: 100 kB of them must not take a module minutes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from sdapi_compat.prompt import attention, comments, composition, extra_networks, schedules
from sdapi_compat.prompt.attention import Fragment
from sdapi_compat.prompt.chunks import chunk
from sdapi_compat.prompt.old_emphasis import bracket_factors, truncated_chunk

SIZE = 100_000
# Far under what anything quadratic takes (minutes), far over what a busy machine adds.
LIMIT_S = 10.0

PATTERNS = [
    *"([)]:|\\#<> \n1.a,",
    *("[a:", "[a|", "(a:", "((", "([", "()", "[]", "([)]", "(a)", "[a]", "(a", "[|]", "[:1]", "a|b "),
    *("(a:1.1", "(a:1.2)", ":1.2)", "[a:b:3]", "[a|b]", "[[a:b:3]:", ": ", ":1 ", "1.", "\\(", "\\\\"),
    *(" AND", "AND ", "a:1 AND ", "BREAK", " BREAK ", "(BREAK ", "BREA "),
    *("<a", "<a:", "<a:>", "<a:b>", "<a:=", "<a:b=c:", "<<", "a<lora:x:1>, "),
    *("#\n", "\n#", "a\n#b", "a#b ", "word, "),
]
NESTED = [
    ("(", "a", ")"),
    ("[", "a", "]"),
    ("(", "a", ":1.1)"),
    ("(a", "b", "c)"),
    ("(a:", "b", ")"),
    ("[a:", "b", ":5]"),
    ("[", "a", ":b:0.5]"),
    ("[a|", "b", "]"),
    ("[a|", "b", "|c]"),
    ("[|", "", "]"),
    ("([", "a", "])"),
    ("[(", "a", "):5]"),
    ("[a:", "b", ":5:]"),
    ("<a:", "b", ">"),
]


def nest(left: str, middle: str, right: str) -> str:
    depth = SIZE // len(left + right)
    return left * depth + middle + right * depth


PROMPTS = [
    *((pattern * (SIZE // len(pattern)), f"{pattern!r} repeated") for pattern in PATTERNS),
    *(("a " + pattern * (SIZE // len(pattern)) + "|", f"{pattern!r} and a bar") for pattern in ("(", "[a:")),
    *((nest(*parts), " ".join(parts) + " nested") for parts in NESTED),
    (":" + " " * SIZE + "1", "colon and spaces"),
    ("(a:" + "1" * SIZE + ")", "long weight"),
    ("[a:b:" + "1" * SIZE + "]", "long number"),
    ("[a:b:" + " " * SIZE + "]", "number of spaces"),
    ("a" + " " * SIZE + "BREAK" + " " * SIZE, "break and spaces"),
    ("a:" + "1" * SIZE + "x", "long non-number"),
]
TEN = schedules.ScheduleSteps(10)
PARSERS: dict[str, Callable[[str], object]] = {
    "comments": comments.strip_comments,
    "composition": composition.split,
    "extra_networks": extra_networks.extract,
    "attention": attention.parse,
    "schedules": lambda text: schedules.expand(text, TEN),
}


@pytest.fixture(params=[prompt for prompt, _ in PROMPTS], ids=[name for _, name in PROMPTS])
def prompt(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def assert_quick(work: Callable[[], object]) -> None:
    started = time.process_time()
    work()
    assert time.process_time() - started < LIMIT_S


@pytest.mark.parametrize("name", PARSERS)
def test_parsers(name: str, prompt: str) -> None:
    assert_quick(lambda: PARSERS[name](prompt))


@pytest.mark.parametrize("backtrack", [0, 20, 1000])
@pytest.mark.parametrize("text", ["w " * 50_000, ", " * 50_000, "w ," * 30_000, "BREAK " * 15_000])
def test_chunks(vocabulary: Any, text: str, backtrack: int) -> None:
    pieces = attention.parse(text)
    assert_quick(lambda: chunk(pieces, vocabulary, backtrack))


def test_many_fragments(vocabulary: Any) -> None:
    pieces = [Fragment("w", 1.0 + number % 2) for number in range(50_000)]
    assert_quick(lambda: chunk(pieces, vocabulary, 20))


def test_old_emphasis(vocabulary: Any) -> None:
    vocabulary.tokenize(["( ) [ ]"])
    factors = bracket_factors(vocabulary.words)
    assert_quick(lambda: truncated_chunk("(" * SIZE, vocabulary, factors))


def test_deep_schedules_are_right() -> None:
    depth = 20_000
    steps = schedules.ScheduleSteps(10)
    before = schedules.expand("[a:" * depth + "b" + ":5]" * depth, steps)
    assert before == ((5, "a"), (10, "b"))
    turns = schedules.expand("[a|" * depth + "b" + "]" * depth, steps)
    assert [entry.text for entry in turns] == ["a", "b"] * 5


def test_deep_attention_is_right() -> None:
    depth = 50
    (fragment,) = attention.parse("(" * depth + "a" + ")" * depth)
    assert fragment.text == "a"
    assert fragment.weight == pytest.approx(1.1**depth)
    deep = attention.parse("(a" * 20_000)
    assert len(deep) > 5_000
    assert deep[1].weight == pytest.approx(1.21)
