from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

_WORD = re.compile(r"[a-z]+|[^\sa-z]")


class WordVocabulary:
    """A tokenizer with one id per lower-case word or other character, numbered as they turn up."""

    bos = 1
    eos = 2
    comma = 3

    def __init__(self, pad: int) -> None:
        self.pad = pad
        self.words = {",": self.comma}

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        return [
            [self.words.setdefault(word, 10 + len(self.words)) for word in _WORD.findall(text.lower())]
            for text in texts
        ]

    def read(self, tokens: Sequence[int]) -> str:
        names = {number: word for word, number in self.words.items()} | {1: "<", 2: ">", 0: "_"}
        return " ".join(names[token] for token in tokens)


@pytest.fixture
def vocabulary() -> WordVocabulary:
    """Pads with the end marker, like CLIP-L."""
    return WordVocabulary(pad=2)


@pytest.fixture
def open_vocabulary() -> WordVocabulary:
    """Pads with 0, like OpenCLIP."""
    return WordVocabulary(pad=0)
