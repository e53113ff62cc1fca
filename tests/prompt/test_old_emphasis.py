from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdapi_compat.prompt.chunks import empty_chunk
from sdapi_compat.prompt.embeddings import EmbeddingIndex, EmbeddingName
from sdapi_compat.prompt.old_emphasis import bracket_factors, truncated_chunk


@pytest.mark.parametrize(
    ("word", "factor"),
    [
        ("(</w>", 1.1),
        (")</w>", 1 / 1.1),
        ("[", 1 / 1.1),
        ("]", 1.1),
        ("((", 1.1 * 1.1),
        ("),", 1 / 1.1),
        ("(:", 1.1),
        ("()", None),
        ("[]", None),
        ("cat</w>", None),
        (":)(", None),
    ],
)
def test_bracket_factors(word: str, factor: float | None) -> None:
    assert bracket_factors({word: 7}) == ({} if factor is None else {7: factor})


def factors(vocabulary: Any) -> dict[int, float]:
    vocabulary.tokenize(["( ) [ ]"])
    return bracket_factors(vocabulary.words)


def test_brackets_weigh_what_follows(vocabulary: Any) -> None:
    made = truncated_chunk("a (red:1.3) [apple] b", vocabulary, factors(vocabulary))
    assert vocabulary.read(made.tokens[:9]) == "< a red : 1 . 3 apple b"
    weights = [1.0, 1.0, 1.1, 1.1, 1.1, 1.1, 1.1, 1 / 1.1, 1.0]
    assert all(math.isclose(*pair) for pair in zip(made.weights, weights, strict=False))


def test_an_unclosed_bracket_holds_to_the_end_but_not_for_padding(vocabulary: Any) -> None:
    made = truncated_chunk("(a", vocabulary, factors(vocabulary))
    assert made.weights == [1.0, 1.1] + [1.0] * 75


def test_break_is_a_word(vocabulary: Any) -> None:
    made = truncated_chunk("a BREAK b", vocabulary, {})
    assert vocabulary.read(made.tokens[:5]) == "< a break b >"


def test_without_factors_brackets_are_text(vocabulary: Any) -> None:
    made = truncated_chunk("(a)", vocabulary, {})
    assert vocabulary.read(made.tokens[:5]) == "< ( a ) >"
    assert made.weights == [1.0] * 77


def test_the_rest_is_cut_off(vocabulary: Any) -> None:
    made = truncated_chunk("w " * 100, vocabulary, {})
    assert made.tokens == [1, *[vocabulary.words["w"]] * 75, 2]


def test_empty(vocabulary: Any) -> None:
    assert truncated_chunk("", vocabulary, {}) == empty_chunk(vocabulary)
    assert truncated_chunk("((", vocabulary, factors(vocabulary)) == empty_chunk(vocabulary)


def test_embeddings(vocabulary: Any) -> None:
    index = EmbeddingIndex([EmbeddingName("tiny cat", vocabulary.tokenize(["tiny cat"])[0], 3)])
    made = truncated_chunk("a (tiny cat) b", vocabulary, factors(vocabulary), index)
    assert vocabulary.read(made.tokens[:7]) == "< a _ _ _ b >"
    assert made.weights[2:5] == [1.1] * 3
    assert made.embeddings == [(1, "tiny cat")]


def test_an_embedding_over_the_end_is_cut(vocabulary: Any) -> None:
    index = EmbeddingIndex([EmbeddingName("x", vocabulary.tokenize(["x"])[0], 90)])
    made = truncated_chunk("w " * 74 + "x x", vocabulary, {}, index)
    assert made.tokens[-3:] == [vocabulary.words["w"], 0, 2]
    assert made.embeddings == [(74, "x")]


@given(st.text(alphabet="ab ()[],", max_size=200))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_one_chunk_of_77(vocabulary: Any, text: str) -> None:
    made = truncated_chunk(text, vocabulary, factors(vocabulary))
    assert len(made.tokens) == len(made.weights) == 77
    assert (made.tokens[0], made.tokens[-1]) == (1, 2)
