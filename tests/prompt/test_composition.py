from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdapi_compat.prompt.composition import SubPrompt, split


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("", [("", 1.0)]),
        ("a cat", [("a cat", 1.0)]),
        ("a AND b", [("a", 1.0), (" b", 1.0)]),
        (
            "a red apple AND a blue car :0.6 AND snow :-0.4",
            [("a red apple", 1.0), (" a blue car", 0.6), (" snow", -0.4)],
        ),
        ("a:1.2 AND b : 2", [("a", 1.2), (" b", 2.0)]),
        # The weight is read without any AND as well.
        ("a cat:2", [("a cat", 2.0)]),
        ("ratio 16:9", [("ratio 16", 9.0)]),
        ("a cat : 2  ", [("a cat", 2.0)]),
        (":2", [("", 2.0)]),
        # Whitespace: dropped at the end, kept at the start.
        ("  a  AND  b  ", [("  a", 1.0), ("  b", 1.0)]),
        ("a\nAND\nb\n", [("a", 1.0), ("\nb", 1.0)]),
        ("  ", [("", 1.0)]),
        # Number forms.
        ("a:.5", [("a", 0.5)]),
        ("a:5.", [("a", 5.0)]),
        ("a:+1.5", [("a", 1.5)]),
        ("a:-0", [("a", 0.0)]),
        ("a:0", [("a", 0.0)]),
        ("a:007", [("a", 7.0)]),
        ("a:1e3", [("a:1e3", 1.0)]),
        ("a:1.2.3", [("a:1.2.3", 1.0)]),
        ("a:.", [("a:.", 1.0)]),
        ("a:", [("a:", 1.0)]),
        ("a:- 1", [("a:- 1", 1.0)]),
        ("a:--1", [("a:--1", 1.0)]),
        # The last colon counts; what stands before it is text.
        ("a:1:2", [("a:1", 2.0)]),
        ("a : 1 : 2", [("a : 1", 2.0)]),
        ("a::2", [("a:", 2.0)]),
        # Not at the very end: no weight.
        ("a:2 b", [("a:2 b", 1.0)]),
        ("(a:1.5)", [("(a:1.5)", 1.0)]),
        # AND: whole word, upper case.
        ("sAND ANDy and AND_", [("sAND ANDy and AND_", 1.0)]),
        ("a,AND,b", [("a,", 1.0), (",b", 1.0)]),
        ("AND", [("", 1.0), ("", 1.0)]),
        ("a AND AND b", [("a", 1.0), ("", 1.0), (" b", 1.0)]),
        # Brackets and backslashes do not protect it.
        ("(a AND b:1.5)", [("(a", 1.0), (" b:1.5)", 1.0)]),
        ("[a AND b:0.5]", [("[a", 1.0), (" b:0.5]", 1.0)]),
        ("\\AND", [("\\", 1.0), ("", 1.0)]),
    ],
)
def test_split(prompt: str, parts: list[tuple[str, float]]) -> None:
    assert split(prompt) == [SubPrompt(*part) for part in parts]


@given(st.text(alphabet="AND ab:1.5-+\n()"), st.integers(0, 3))
@settings(max_examples=300, deadline=None)
def test_there_is_one_part_more_than_ands(text: str, extra: int) -> None:
    joined = " AND ".join([text] * (extra + 1))
    assert len(split(joined)) == len(split(text)) * (extra + 1)


@given(st.text())
@settings(max_examples=200, deadline=None)
def test_any_text_gives_parts_of_it(text: str) -> None:
    parts = split(text)
    assert parts
    for part in parts:
        assert part.text in text
        assert part.text == part.text.rstrip()
