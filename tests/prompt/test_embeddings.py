from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdapi_compat.prompt.embeddings import EmbeddingIndex, EmbeddingMatch, EmbeddingName

INDEX = EmbeddingIndex(
    [
        EmbeddingName("short", [5], 2),
        EmbeddingName("long", [5, 6, 7], 3),
        EmbeddingName("middle", [5, 6], 1),
        EmbeddingName("twin", [5, 6], 4),
        EmbeddingName("other", (9, 9), 1),
        EmbeddingName("nothing", [], 1),
    ]
)


@pytest.mark.parametrize(
    ("tokens", "position", "name"),
    [
        ([5, 6, 7], 0, "long"),
        ([5, 6, 8], 0, "middle"),
        ([5, 6], 0, "middle"),
        ([5, 7], 0, "short"),
        ([1, 5, 6, 7], 1, "long"),
        ([1, 5, 6, 7], 0, None),
        ([1, 5, 6, 7], 2, None),
        ([9], 0, None),
        ([9, 9, 9], 1, "other"),
        ((9, 9), 0, "other"),
    ],
)
def test_the_longest_name_at_the_position(tokens: list[int], position: int, name: str | None) -> None:
    match = INDEX.find(tokens, position)
    assert (match.name if match else None) == name


def test_match_tells_its_sizes() -> None:
    assert INDEX.find([5, 6, 7], 0) == EmbeddingMatch("long", length_in_tokens=3, vectors=3)


def test_no_embeddings() -> None:
    assert EmbeddingIndex([]).find([1], 0) is None


@given(st.lists(st.integers(4, 9), min_size=1, max_size=12))
@settings(max_examples=200, deadline=None)
def test_a_match_is_the_ids_it_covers(tokens: list[int]) -> None:
    names = {"short": [5], "long": [5, 6, 7], "middle": [5, 6], "other": [9, 9]}
    for position in range(len(tokens)):
        match = INDEX.find(tokens, position)
        fitting = [name for name, ids in names.items() if tokens[position : position + len(ids)] == ids]
        assert (match is None) == (not fitting)
        if match:
            assert match.name == max(fitting, key=lambda name: len(names[name]))
