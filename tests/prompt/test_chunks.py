from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdapi_compat.errors import Fault
from sdapi_compat.prompt import attention
from sdapi_compat.prompt.attention import BREAK, Fragment
from sdapi_compat.prompt.chunks import Chunk, chunk, complete, empty_chunk, equalize, pad_after_end
from sdapi_compat.prompt.embeddings import EmbeddingIndex, EmbeddingName

PROPERTY = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def words(count: int) -> str:
    return "w " * count


def content(part: Chunk) -> list[int]:
    """The tokens between the markers without the padding."""
    return part.tokens[1 : part.tokens.index(2)]


def sizes(chunks: list[Chunk]) -> list[int]:
    return [len(content(part)) for part in chunks]


def plain(text: str, vocabulary: Any, backtrack: int = 20) -> list[Chunk]:
    return chunk([Fragment(text, 1.0)], vocabulary, backtrack)


def test_empty_prompt_is_one_empty_chunk(vocabulary: Any) -> None:
    assert plain("", vocabulary) == [empty_chunk(vocabulary)] == [Chunk([1] + [2] * 76, [1.0] * 77, [])]
    assert chunk([], vocabulary, 20) == [empty_chunk(vocabulary)]


def test_layout_of_a_chunk(vocabulary: Any) -> None:
    fragments = [Fragment("a", 1.0), Fragment("red cat", 1.3)]
    (only,) = chunk(fragments, vocabulary, 20)
    a, red, cat = (vocabulary.words[word] for word in ("a", "red", "cat"))
    assert only.tokens == [1, a, red, cat] + [2] * 73
    assert only.weights == [1.0, 1.0, 1.3, 1.3] + [1.0] * 73
    assert only.embeddings == []


@pytest.mark.parametrize(
    ("count", "expected"),
    [(74, [74]), (75, [75]), (76, [75, 1]), (150, [75, 75]), (151, [75, 75, 1])],
)
def test_a_chunk_holds_75_tokens(vocabulary: Any, count: int, expected: list[int]) -> None:
    assert sizes(plain(words(count), vocabulary)) == expected


def test_fragments_are_tokenised_separately(vocabulary: Any) -> None:
    (apart,) = chunk([Fragment("ca", 1.0), Fragment("t", 1.1)], vocabulary, 20)
    (joined,) = chunk([Fragment("cat", 1.0)], vocabulary, 20)
    assert len(content(apart)) == 2
    assert len(content(joined)) == 1


@pytest.mark.parametrize(
    ("before", "after", "backtrack", "expected"),
    [
        # The comma stays in the first chunk, what follows it moves.
        (60, 20, 20, [61, 20]),
        (54, 30, 20, [75, 10]),
        (55, 30, 20, [56, 30]),
        (60, 20, 15, [61, 20]),
        (60, 20, 14, [75, 6]),
        (60, 20, 0, [75, 6]),
        (60, 20, -1, [75, 6]),
        (10, 80, 74, [11, 75, 5]),
        # Full with the comma last: nothing to move.
        (74, 5, 20, [75, 5]),
        # Not over the limit: nothing moves.
        (60, 14, 20, [75]),
    ],
)
def test_comma_backtracking(
    vocabulary: Any, before: int, after: int, backtrack: int, expected: list[int]
) -> None:
    assert sizes(plain(f"{words(before)}, {words(after)}", vocabulary, backtrack)) == expected


def test_a_comma_that_starts_a_new_chunk_moves_nothing(vocabulary: Any) -> None:
    first, second = plain(f"{words(70)}, {words(4)}, x", vocabulary)
    assert len(content(first)) == 75
    assert vocabulary.read(content(second)) == ", x"


def test_a_comma_counts_for_its_own_chunk_only(vocabulary: Any) -> None:
    chunks = plain(f"{words(70)}, {words(80)}", vocabulary)
    assert sizes(chunks) == [71, 75, 5]


def test_a_vocabulary_without_comma_moves_nothing(vocabulary: Any) -> None:
    vocabulary.comma = None
    assert sizes(plain(f"{words(60)}, {words(20)}", vocabulary)) == [75, 6]


def test_weights_move_with_their_tokens(vocabulary: Any) -> None:
    fragments = [Fragment(words(60) + ",", 1.0), Fragment(words(10), 1.5), Fragment(words(10), 0.5)]
    first, second = chunk(fragments, vocabulary, 20)
    assert first.weights == [1.0] * 77
    assert second.weights == [1.0, *[1.5] * 10, *[0.5] * 10, *[1.0] * 56]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a BREAK b", [1, 1]),
        ("a b BREAK", [2]),
        ("BREAK a", [0, 1]),
        ("BREAK", [0]),
        ("a BREAK BREAK b", [1, 0, 1]),
        ("(a BREAK b:1.2)", [3]),
        (words(75) + " BREAK a", [75, 1]),
        (words(80) + " BREAK a", [75, 5, 1]),
    ],
)
def test_break(vocabulary: Any, text: str, expected: list[int]) -> None:
    assert sizes(chunk(attention.parse(text), vocabulary, 20)) == expected


def test_break_in_brackets_is_a_word_with_a_negative_weight(vocabulary: Any) -> None:
    (only,) = chunk(attention.parse("(a BREAK b:1.2)"), vocabulary, 20)
    assert vocabulary.read(content(only)) == "a break b"
    assert only.weights[1:4] == [1.2, -1.2, 1.2]


def test_break_forgets_the_comma(vocabulary: Any) -> None:
    fragments = [Fragment(words(10) + ",", 1.0), BREAK, Fragment(words(80), 1.0)]
    assert sizes(chunk(fragments, vocabulary, 70)) == [11, 75, 5]


@pytest.fixture
def embeddings(vocabulary: Any) -> EmbeddingIndex:
    named = {"tiny": 2, "tiny dog": 3, "large": 75, "huge": 76}
    return EmbeddingIndex(
        EmbeddingName(name, vocabulary.tokenize([name])[0], vectors) for name, vectors in named.items()
    )


def test_embedding_takes_places(vocabulary: Any, embeddings: EmbeddingIndex) -> None:
    (only,) = chunk([Fragment("a", 1.0), Fragment("TINY cat", 1.2)], vocabulary, 20, embeddings)
    a, cat = vocabulary.words["a"], vocabulary.words["cat"]
    assert only.embeddings == [(1, "tiny")]
    assert only.tokens[:5] == [1, a, 0, 0, cat]
    assert only.weights[:5] == [1.0, 1.0, 1.2, 1.2, 1.2]


def test_longest_name_wins_and_lies_in_one_fragment(vocabulary: Any, embeddings: EmbeddingIndex) -> None:
    (one,) = chunk([Fragment("a tiny dog b", 1.0)], vocabulary, 20, embeddings)
    assert one.embeddings == [(1, "tiny dog")]
    assert vocabulary.read(content(one)) == "a _ _ _ b"
    (two,) = chunk([Fragment("a tiny", 1.0), Fragment("dog b", 1.1)], vocabulary, 20, embeddings)
    assert two.embeddings == [(1, "tiny")]
    assert vocabulary.read(content(two)) == "a _ _ dog b"


@pytest.mark.parametrize(
    ("before", "expected", "marks"),
    [
        (73, [75], [[(73, "tiny")]]),
        (74, [74, 2], [[], [(0, "tiny")]]),
        (75, [75, 2], [[], [(0, "tiny")]]),
    ],
)
def test_embedding_is_never_cut(
    vocabulary: Any,
    embeddings: EmbeddingIndex,
    before: int,
    expected: list[int],
    marks: list[list[tuple[int, str]]],
) -> None:
    chunks = chunk([Fragment(words(before) + "tiny", 1.0)], vocabulary, 20, embeddings)
    assert sizes(chunks) == expected
    assert [part.embeddings for part in chunks] == marks


def test_the_mark_of_a_moved_embedding_stays(vocabulary: Any, embeddings: EmbeddingIndex) -> None:
    first, second = chunk([Fragment(words(70) + ", tiny " + words(4), 1.0)], vocabulary, 20, embeddings)
    assert len(content(first)) == 71
    assert first.embeddings == [(71, "tiny")]
    assert vocabulary.read(content(second)) == "_ _ w w w w"
    assert second.embeddings == []


def test_an_embedding_as_large_as_a_chunk(vocabulary: Any, embeddings: EmbeddingIndex) -> None:
    chunks = chunk([Fragment("a large b", 1.0)], vocabulary, 20, embeddings)
    assert sizes(chunks) == [1, 75, 1]


def test_an_embedding_larger_than_a_chunk(vocabulary: Any, embeddings: EmbeddingIndex) -> None:
    with pytest.raises(Fault) as caught:
        chunk([Fragment("a huge b", 1.0)], vocabulary, 20, embeddings)
    assert caught.value.name == "ValueError"
    assert caught.value.message == "Expected at most 75 vectors, got 76 - in embedding 'huge'"


def test_openclip_pads_with_zero_after_the_end(open_vocabulary: Any) -> None:
    (only,) = plain("a cat", open_vocabulary)
    assert only.tokens == [1, *open_vocabulary.tokenize(["a cat"])[0], 2] + [0] * 73
    assert empty_chunk(open_vocabulary).tokens == [1, 2] + [0] * 75
    (full,) = plain(words(75), open_vocabulary)
    assert full.tokens[-2:] == [open_vocabulary.words["w"], 2]


@pytest.mark.parametrize(
    ("tokens", "pad", "padded"),
    [
        ([1, 5, 2, 2, 2], 0, [1, 5, 2, 0, 0]),
        ([1, 5, 6], 0, [1, 5, 6]),
        ([1, 2, 5, 2], 0, [1, 2, 0, 0]),
        ([1, 2, 5, 2], 2, [1, 2, 5, 2]),
        ([], 0, []),
    ],
)
def test_pad_after_end(tokens: list[int], pad: int, padded: list[int]) -> None:
    assert pad_after_end(tokens, 2, pad) == padded
    assert pad_after_end(padded, 2, pad) == padded


def test_complete_keeps_what_it_is_given(vocabulary: Any) -> None:
    made = complete([7, 8], [0.5, 2.0], [(1, "x")], vocabulary)
    assert made == Chunk([1, 7, 8] + [2] * 74, [1.0, 0.5, 2.0] + [1.0] * 74, [(1, "x")])


def test_equalize(vocabulary: Any) -> None:
    short, long = plain("a", vocabulary), plain(words(160), vocabulary)
    assert equalize([short, long], vocabulary) == [[*short, *[empty_chunk(vocabulary)] * 2], long]
    assert equalize([long], vocabulary) == [long]
    assert equalize([], vocabulary) == []


@given(
    st.lists(
        st.one_of(
            st.just(BREAK),
            st.builds(Fragment, st.text(alphabet="a ,", max_size=120), st.sampled_from([1.0, 1.1, -2.0])),
        ),
        max_size=6,
    ),
    st.integers(-1, 80),
)
@PROPERTY
def test_chunks_keep_every_token_and_its_weight(
    vocabulary: Any, fragments: list[Fragment], backtrack: int
) -> None:
    chunks = chunk(fragments, vocabulary, backtrack)
    assert all(len(part.tokens) == len(part.weights) == 77 for part in chunks)
    assert all((part.tokens[0], part.tokens[-1]) == (1, 2) for part in chunks)
    kept = [pair for part in chunks for pair in zip(content(part), part.weights[1:], strict=False)]
    texts = [fragment for fragment in fragments if not fragment.is_break]
    put = [(token, text.weight) for text in texts for token in vocabulary.tokenize([text.text])[0]]
    assert kept == put


@given(st.text(alphabet="tinydoglarge ,", max_size=300), st.integers(0, 30))
@PROPERTY
def test_chunks_with_embeddings_keep_their_size(
    vocabulary: Any, embeddings: EmbeddingIndex, text: str, backtrack: int
) -> None:
    for part in chunk([Fragment(text, 1.0)], vocabulary, backtrack, embeddings):
        assert len(part.tokens) == len(part.weights) == 77
        assert all(0 <= offset < 75 for offset, _ in part.embeddings)
