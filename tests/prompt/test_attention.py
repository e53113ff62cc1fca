from __future__ import annotations

import math
import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdapi_compat.errors import Fault
from sdapi_compat.prompt.attention import BREAK, ROUND_FACTOR, SQUARE_FACTOR, Fragment, parse

UP = ROUND_FACTOR
DOWN = SQUARE_FACTOR
BRACKETS = st.text(alphabet="ab ()[]\\:1.5-\n", max_size=40)


@pytest.mark.parametrize(
    ("text", "fragments"),
    [
        # Plain text.
        ("", [("", 1.0)]),
        ("a cat, sitting", [("a cat, sitting", 1.0)]),
        ("a: b", [("a: b", 1.0)]),
        ("ratio 16:9", [("ratio 16:9", 1.0)]),
        # One bracket.
        ("(a)", [("a", 1.1)]),
        ("[a]", [("a", DOWN)]),
        ("(a:1.5)", [("a", 1.5)]),
        ("(a:-1)", [("a", -1.0)]),
        ("(a:+2)", [("a", 2.0)]),
        ("(a:0)", [("a", 0.0)]),
        ("(a:.5)", [("a", 0.5)]),
        ("(a:2.)", [("a", 2.0)]),
        ("(a: 1.5 )", [("a", 1.5)]),
        ("(a :1.5)", [("a ", 1.5)]),
        # Nesting multiplies.
        ("((a))", [("a", UP * UP)]),
        ("((a:1.3))", [("a", 1.3 * UP)]),
        ("[[a]]", [("a", DOWN * DOWN)]),
        ("(a [b])", [("a ", UP), ("b", UP * DOWN)]),
        ("(a (b:2) c:3)", [("a ", 3.0), ("b", 6.0), (" c", 3.0)]),
        ("a (red:1.3) apple", [("a ", 1.0), ("red", 1.3), (" apple", 1.0)]),
        (
            "green leaves, (ugly:1.4), [frame]",
            [("green leaves, ", 1.0), ("ugly", 1.4), (", ", 1.0), ("frame", DOWN)],
        ),
        # Open at the end.
        ("(a", [("a", UP)]),
        ("((a", [("a", UP * UP)]),
        ("[a", [("a", DOWN)]),
        ("x (a [b", [("x ", 1.0), ("a ", UP), ("b", UP * DOWN)]),
        # Surplus closers are literal.
        ("a)", [("a)", 1.0)]),
        ("a]", [("a]", 1.0)]),
        ("(a))", [("a", UP), (")", 1.0)]),
        # Round and square brackets do not see each other.
        ("(a[b)c]", [("a", UP), ("b", UP * DOWN), ("c", DOWN)]),
        ("[a(b]c)", [("a", DOWN), ("b", UP * DOWN), ("c", UP)]),
        # A weight needs an open round bracket, else it is text, well formed or not.
        ("a:1.5)", [("a:1.5)", 1.0)]),
        ("a:1.2.3)", [("a:1.2.3)", 1.0)]),
        ("[a:1.5)]", [("a:1.5)", DOWN)]),
        # A square bracket takes no weight.
        ("[a:1.2]", [("a:1.2", DOWN)]),
        # No number: the colon is text.
        ("(a:b)", [("a:b", UP)]),
        ("(a:)", [("a:", UP)]),
        ("(a:1.5 b)", [("a:1.5 b", UP)]),
        ("(a:1e2)", [("a:1e2", UP)]),
        ("(a:- 1)", [("a:- 1", UP)]),
        ("(a:1:2)", [("a:1", 2.0)]),
        # Escapes.
        (r"\(on\)", [("(on)", 1.0)]),
        (r"\[a\]", [("[a]", 1.0)]),
        (r"\\", [("\\", 1.0)]),
        ("\\", [("", 1.0)]),
        (r"a\:b", [("a:b", 1.0)]),
        (r"a\nb", [("anb", 1.0)]),
        (r"(a\))", [("a)", UP)]),
        (r"(a\\)", [("a\\", UP)]),
        (r"(a\:1.5)", [("a", 1.5)]),
        (
            r"a ((red)) [apple] \(on\) a",
            [("a ", 1.0), ("red", UP * UP), (" ", 1.0), ("apple", DOWN), (" (on) a", 1.0)],
        ),
        # Empty brackets emit nothing.
        ("()", [("", 1.0)]),
        ("(", [("", 1.0)]),
        ("([(", [("", 1.0)]),
        ("(:1.5)", [("", 1.0)]),
        ("a()b", [("ab", 1.0)]),
        # Equal weights are joined.
        ("(a)(b)", [("ab", UP)]),
        ("(a:1.5)(b:1.50)", [("ab", 1.5)]),
        ("(a:1)b", [("ab", 1.0)]),
        ("(a:1.1)(b)", [("ab", 1.1)]),
    ],
)
def test_parse(text: str, fragments: list[tuple[str, float]]) -> None:
    assert parse(text) == [Fragment(*fragment) for fragment in fragments]


@pytest.mark.parametrize(
    ("text", "fragments"),
    [
        ("a red apple BREAK on a table", [("a red apple", 1.0), BREAK, ("on a table", 1.0)]),
        ("a BREAK\n b", [("a", 1.0), BREAK, ("b", 1.0)]),
        ("BREAK", [("", 1.0), BREAK, ("", 1.0)]),
        ("BREAK BREAK", [("", 1.0), BREAK, ("", 1.0), BREAK, ("", 1.0)]),
        (" a BREAK ", [(" a", 1.0), BREAK, ("", 1.0)]),
        ("a,BREAK,b", [("a,", 1.0), BREAK, (",b", 1.0)]),
        # Whole word, upper case.
        ("BREAKFAST break DAYBREAK BREAK_", [("BREAKFAST break DAYBREAK BREAK_", 1.0)]),
        # Next to brackets it is at depth 0 still.
        ("(a)BREAK(b)", [("a", UP), ("", 1.0), BREAK, ("", 1.0), ("b", UP)]),
        ("a:BREAK", [("a:", 1.0), BREAK, ("", 1.0)]),
        # Inside brackets it is the word with a negative weight.
        ("(a BREAK b:1.2)", [("a", 1.2), ("BREAK", -1.2), ("b", 1.2)]),
        ("[BREAK]", [("", DOWN), ("BREAK", -DOWN), ("", DOWN)]),
        ("(a BREAK b", [("a", UP), ("BREAK", -UP), ("b", UP)]),
        # Weight 1 in brackets leaves it alone.
        ("(a BREAK b:1)", [("a", 1.0), BREAK, ("b", 1.0)]),
    ],
)
def test_break(text: str, fragments: list[tuple[str, float]]) -> None:
    assert parse(text) == [Fragment(*fragment) for fragment in fragments]


def test_is_break_needs_word_and_weight() -> None:
    assert BREAK.is_break
    assert Fragment("BREAK", -1.0).is_break
    assert not Fragment("BREAK", 1.0).is_break
    assert not Fragment("BREAK", -1.2).is_break
    assert not Fragment("break", -1.0).is_break


@pytest.mark.parametrize("number", ["1.2.3", ".", "..", "1..", "+.", "-1.2."])
def test_malformed_weight(number: str) -> None:
    with pytest.raises(Fault) as caught:
        parse(f"x (a:{number}) y")
    assert caught.value.status == 500
    assert caught.value.name == "ValueError"
    assert caught.value.message == f"could not convert string to float: '{number}'"


def naive(text: str) -> list[tuple[str, float]]:
    """The rule word by word: each closing bracket multiplies everything since its opening one."""
    pieces: list[tuple[str, float]] = []
    opened: dict[str, list[int]] = {"(": [], "[": []}

    def multiply(start: int, factor: float) -> None:
        pieces[start:] = [(piece, weight * factor) for piece, weight in pieces[start:]]

    position = 0
    while position < len(text):
        rest = text[position:]
        weight = re.match(r":\s*([+-]?[.\d]+)\s*\)", rest)
        size = 1
        if rest[0] == "\\":
            size = 2 if rest[1:2] and rest[1] in "()[]\\" else 1
            pieces.append((rest[1:size], 1.0))
        elif rest[0] in "([":
            opened[rest[0]].append(len(pieces))
        elif weight and opened["("]:
            size = weight.end()
            multiply(opened["("].pop(), float(weight[1]))
        elif rest[0] == ")" and opened["("]:
            multiply(opened["("].pop(), 1.1)
        elif rest[0] == "]" and opened["["]:
            multiply(opened["["].pop(), 1 / 1.1)
        else:
            size = weight.end() if weight else 1
            pieces.append((rest[:size], 1.0))
        position += size
    for start in opened["("]:
        multiply(start, 1.1)
    for start in opened["["]:
        multiply(start, 1 / 1.1)
    return pieces


@given(BRACKETS)
@settings(max_examples=400, deadline=None)
def test_weights_are_those_of_the_plain_rule(text: str) -> None:
    try:
        fragments = parse(text)
    except Fault:
        with pytest.raises(ValueError, match="could not convert"):
            naive(text)
        return
    weighted = [(letter, weight) for fragment, weight in fragments for letter in fragment]
    expected = [(letter, weight) for piece, weight in naive(text) for letter in piece]
    assert [letter for letter, _ in weighted] == [letter for letter, _ in expected]
    for (_, weight), (_, wanted) in zip(weighted, expected, strict=True):
        assert math.isclose(weight, wanted, rel_tol=1e-12)


@given(st.text())
@settings(max_examples=300, deadline=None)
def test_any_text_parses_or_has_a_malformed_weight(text: str) -> None:
    try:
        assert parse(text)
    except Fault:
        with pytest.raises(ValueError, match="could not convert"):
            naive(text)


@given(st.text(alphabet="ab ()[]:1.5BREAK", max_size=40))
@settings(max_examples=300, deadline=None)
def test_neighbours_differ_in_weight(text: str) -> None:
    try:
        fragments = parse(text)
    except Fault:
        return
    assert all(left.weight != right.weight for left, right in pairwise(fragments))


@given(st.text(alphabet=st.characters(blacklist_characters="()[]:\\B", blacklist_categories=["Cs"])))
@settings(max_examples=100, deadline=None)
def test_text_without_syntax_is_one_fragment(text: str) -> None:
    assert parse(text) == [Fragment(text, 1.0)]


@given(st.text(alphabet="ab()[]\\", max_size=20), st.floats(0.1, 3.0))
@settings(max_examples=100, deadline=None)
def test_escaped_text_comes_back_with_its_weight(text: str, weight: float) -> None:
    escaped = "".join("\\" + letter if letter in "()[]\\" else letter for letter in text)
    assert parse(f"({escaped}:{weight:.4f})") == [Fragment(text, float(f"{weight:.4f}") if text else 1.0)]
