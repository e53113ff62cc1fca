"""The emphasis of the first releases (option `use_old_emphasis_implementation`).

Brackets are tokens that change a running weight, and there is one chunk only.
"""

from __future__ import annotations

from collections.abc import Mapping

from sdapi_compat.prompt.chunks import CHUNK_LENGTH, PLACEHOLDER, Chunk, Vocabulary, complete
from sdapi_compat.prompt.embeddings import EmbeddingFinder

_STEP = 1.1
_BRACKETS = frozenset("()[]")


def bracket_factors(words: Mapping[str, int]) -> dict[int, float]:
    """Which ids of a vocabulary (word -> id) change the weight of all ids after them, and by what factor.

    A1111 1.10.1 behaviour: "(" and "]" multiply by 1.1, ")" and "[" divide by it, character by character; a
    word whose brackets cancel out is an ordinary word, any other characters next to brackets get lost.
    """
    factors = {}
    for word, token in words.items():
        if _BRACKETS.isdisjoint(word):
            continue
        factor = 1.0
        for character in word:
            if character in "(]":
                factor *= _STEP
            elif character in ")[":
                factor /= _STEP
        if factor != 1.0:
            factors[token] = factor
    return factors


def truncated_chunk(
    text: str,
    vocabulary: Vocabulary,
    factors: Mapping[int, float],
    embeddings: EmbeddingFinder | None = None,
) -> Chunk:
    """Encode a text as one chunk; what does not fit into 75 tokens is cut off.

    A1111 1.10.1 behaviour: there is no `(a:1.5)`, no BREAK and no escape here. `factors` comes from
    `bracket_factors` and is empty under the emphasis mode "None".
    """
    tokens = vocabulary.tokenize([text])[0]
    ids: list[int] = []
    weights: list[float] = []
    marks: list[tuple[int, str]] = []
    weight, position = 1.0, 0
    while position < len(tokens) and len(ids) < CHUNK_LENGTH:
        token = tokens[position]
        if token in factors:
            weight *= factors[token]
            position += 1
            continue
        match = embeddings.find(tokens, position) if embeddings is not None else None
        count, width = (match.vectors, match.length_in_tokens) if match is not None else (1, 1)
        if match is not None:
            marks.append((len(ids), match.name))
        ids += [PLACEHOLDER if match is not None else token] * count
        weights += [weight] * count
        position += width
    return complete(ids[:CHUNK_LENGTH], weights[:CHUNK_LENGTH], marks, vocabulary)
