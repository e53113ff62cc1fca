"""Textual inversion embeddings in the token stream: where a name stands in for vectors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol


class EmbeddingMatch(NamedTuple):
    """An embedding found: it covers `length_in_tokens` (>= 1) ids and stands for `vectors` input vectors."""

    name: str
    length_in_tokens: int
    vectors: int


class EmbeddingFinder(Protocol):
    """Finds embedding names among the token ids of one fragment."""

    def find(self, tokens: Sequence[int], position: int) -> EmbeddingMatch | None:
        """The embedding whose name's ids begin at `position`, or None."""
        ...


class EmbeddingName(NamedTuple):
    """An embedding as the index knows it: `ids` is its tokenised name, `vectors` how many vectors it has."""

    name: str
    ids: Sequence[int]
    vectors: int


class EmbeddingIndex:
    """An `EmbeddingFinder` over a fixed set of names.

    A1111 1.10.1 behaviour: of several names that match, the one with most token ids wins, then the one given
    first. A name lies within one fragment; case does not matter where the tokenizer folds it.
    """

    def __init__(self, names: Iterable[EmbeddingName]) -> None:
        by_first_id: defaultdict[int, list[tuple[list[int], EmbeddingMatch]]] = defaultdict(list)
        for name, ids, vectors in names:
            if ids:
                match = EmbeddingMatch(name, len(ids), vectors)
                by_first_id[ids[0]].append((list(ids), match))
        for candidates in by_first_id.values():
            candidates.sort(key=lambda candidate: -len(candidate[0]))
        self._by_first_id = dict(by_first_id)

    def find(self, tokens: Sequence[int], position: int) -> EmbeddingMatch | None:
        """The embedding whose name's ids begin at `position`, or None."""
        for ids, match in self._by_first_id.get(tokens[position], ()):
            if list(tokens[position : position + len(ids)]) == ids:
                return match
        return None
