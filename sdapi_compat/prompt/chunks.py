"""Chunks: the 77-token pieces a CLIP text encoder reads one at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from sdapi_compat.errors import Fault
from sdapi_compat.prompt.attention import Fragment
from sdapi_compat.prompt.embeddings import EmbeddingFinder, EmbeddingMatch

CHUNK_LENGTH = 75
"""Tokens of a chunk without the marker at its start and the one at its end."""

PLACEHOLDER = 0
"""Id in the places that an embedding's vectors take."""


class Vocabulary(Protocol):
    """A CLIP tokenizer, as far as chunks need it."""

    @property
    def bos(self) -> int:
        """Id of the start marker."""
        ...

    @property
    def eos(self) -> int:
        """Id of the end marker."""
        ...

    @property
    def pad(self) -> int:
        """Id that follows the first end marker: `eos` for CLIP-L, 0 for OpenCLIP."""
        ...

    @property
    def comma(self) -> int | None:
        """Id of a comma that ends a word, None if there is none."""
        ...

    @property
    def words(self) -> Mapping[str, int]:
        """All tokens and their ids."""
        ...

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, without markers and without a limit on their number."""
        ...


class Chunk(NamedTuple):
    """77 ids with their weights: start marker, 75 tokens, end marker.

    `embeddings` holds (offset, name): the embedding's vectors replace the input vectors from index offset + 1
    of the 77 on, as many as fit before the end.
    """

    tokens: list[int]
    weights: list[float]
    embeddings: list[tuple[int, str]]


def chunk(
    fragments: Sequence[Fragment],
    vocabulary: Vocabulary,
    comma_backtrack: int,
    embeddings: EmbeddingFinder | None = None,
) -> list[Chunk]:
    """Cut a prompt's fragments into chunks; at least one comes back.

    A1111 1.10.1 behaviour: when a chunk is full and its last comma is at most `comma_backtrack` tokens before
    its end, the tokens after that comma move to the next chunk, but embedding marks among them stay (0 turns
    this off). BREAK ends the chunk, also an empty one. An embedding is never cut.

    Raises Fault("ValueError") for an embedding with more than 75 vectors.
    """
    filler = _Filler(vocabulary, comma_backtrack)
    token_lists = vocabulary.tokenize([fragment.text for fragment in fragments])
    for fragment, tokens in zip(fragments, token_lists, strict=True):
        if fragment.is_break:
            filler.close()
            continue
        position = 0
        while position < len(tokens):
            filler.make_room(tokens[position])
            match = embeddings.find(tokens, position) if embeddings is not None else None
            if match is None:
                filler.put(tokens[position], 1, fragment.weight)
                position += 1
            else:
                filler.put_embedding(match, fragment.weight)
                position += match.length_in_tokens
    return filler.finish()


def empty_chunk(vocabulary: Vocabulary) -> Chunk:
    """The chunk of an empty prompt."""
    return complete([], [], [], vocabulary)


def equalize(prompts: Sequence[Sequence[Chunk]], vocabulary: Vocabulary) -> list[list[Chunk]]:
    """Append empty chunks so that all prompts of one encoder call have the same number."""
    length = max(map(len, prompts), default=0)
    empty = empty_chunk(vocabulary)
    return [[*chunks, *[empty] * (length - len(chunks))] for chunks in prompts]


def pad_after_end(tokens: Sequence[int], eos: int, pad: int) -> list[int]:
    """Replace everything after the first end marker by `pad`, as OpenCLIP's tokenizer does.

    Nothing changes without an end marker or where `pad` is the end marker itself.
    """
    end = tokens.index(eos) + 1 if pad != eos and eos in tokens else len(tokens)
    return [*tokens[:end], *[pad] * (len(tokens) - end)]


def complete(
    tokens: list[int], weights: list[float], embeddings: list[tuple[int, str]], vocabulary: Vocabulary
) -> Chunk:
    """Pad up to 75 tokens with weight 1.0 and add the markers."""
    padding = CHUNK_LENGTH - len(tokens)
    ids = [vocabulary.bos, *tokens, *[vocabulary.eos] * (padding + 1)]
    return Chunk(
        pad_after_end(ids, vocabulary.eos, vocabulary.pad),
        [1.0, *weights, *[1.0] * (padding + 1)],
        embeddings,
    )


class _Filler:
    """The chunk being filled and the chunks done."""

    def __init__(self, vocabulary: Vocabulary, comma_backtrack: int) -> None:
        self._vocabulary = vocabulary
        self._backtrack = comma_backtrack
        self._done: list[Chunk] = []
        self._start()

    def _start(self) -> None:
        self._tokens: list[int] = []
        self._weights: list[float] = []
        self._embeddings: list[tuple[int, str]] = []
        self._last_comma: int | None = None

    def close(self) -> None:
        """End the chunk here and start an empty one."""
        self._done.append(complete(self._tokens, self._weights, self._embeddings, self._vocabulary))
        self._start()

    def make_room(self, token: int) -> None:
        """Start a new chunk if there is no place for `token`, which is about to be put."""
        full = len(self._tokens) == CHUNK_LENGTH
        if token == self._vocabulary.comma:
            self._last_comma = len(self._tokens)
        elif full and self._last_comma is not None and CHUNK_LENGTH - self._last_comma <= self._backtrack:
            self._close_after(self._last_comma)
        if len(self._tokens) == CHUNK_LENGTH:
            self.close()

    def _close_after(self, comma: int) -> None:
        tokens, weights = self._tokens[comma + 1 :], self._weights[comma + 1 :]
        del self._tokens[comma + 1 :], self._weights[comma + 1 :]
        self.close()
        self._tokens, self._weights = tokens, weights

    def put(self, token: int, count: int, weight: float) -> None:
        self._tokens += [token] * count
        self._weights += [weight] * count

    def put_embedding(self, match: EmbeddingMatch, weight: float) -> None:
        if match.vectors > CHUNK_LENGTH:
            raise Fault(
                "ValueError",
                f"Expected at most {CHUNK_LENGTH} vectors, got {match.vectors} - in embedding '{match.name}'",
            )
        if len(self._tokens) + match.vectors > CHUNK_LENGTH:
            self.close()
        self._embeddings.append((len(self._tokens), match.name))
        self.put(PLACEHOLDER, match.vectors, weight)

    def finish(self) -> list[Chunk]:
        if self._tokens or not self._done:
            self.close()
        return self._done
