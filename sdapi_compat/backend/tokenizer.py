"""CLIP's byte-pair vocabulary, from this package's data file or from a checkpoint's tokenizer folder."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from ftfy import fix_text
from transformers.models.clip.tokenization_clip import CLIPTokenizer

_DATA_FILE = "bpe_simple_vocab_16e6.txt.gz"
_MERGES = 48894
_START, _END = "<|startoftext|>", "<|endoftext|>"
_WORD_END = "</w>"
_NO_LIMIT = 10**9
_FOLDER_FILES = ("tokenizer.json", "vocab.json")


class _Model(msgspec.Struct, frozen=True):
    vocab: dict[str, int]
    merges: list[tuple[str, str]]


class _Saved(msgspec.Struct, frozen=True):
    model: _Model


class ClipVocabulary:
    """Implements `prompt.chunks.Vocabulary` with the transformers tokenizer."""

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        self._tokenizer = tokenizer
        self.bos: int = tokenizer.bos_token_id
        self.eos: int = tokenizer.eos_token_id
        self.pad: int = tokenizer.pad_token_id
        self.words: Mapping[str, int] = tokenizer.get_vocab()
        self.comma: int | None = self.words.get("," + _WORD_END)

    @classmethod
    def built_in(cls) -> ClipVocabulary:
        """OpenAI CLIP's 49408 tokens, padded with the end marker."""
        merges = _read_merges()
        return cls(_make(_vocab(merges), merges))

    @classmethod
    def from_folder(cls, folder: Path) -> ClipVocabulary:
        """A tokenizer saved by transformers. Raises OSError or ValueError when the folder is damaged."""
        tokenizer = CLIPTokenizer.from_pretrained(
            str(folder), local_files_only=True, model_max_length=_NO_LIMIT
        )
        return cls(tokenizer)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> ClipVocabulary:
        """A tokenizer.json: its vocabulary and merges, with CLIP's markers. Raises ValueError."""
        try:
            model = msgspec.convert(content, _Saved).model
        except msgspec.ValidationError as error:
            raise ValueError(f"tokenizer.json: {error}") from error
        unknown = [token for token in (_START, _END) if token not in model.vocab]
        if unknown:
            raise ValueError(f"tokenizer.json: Expected the tokens {' and '.join(unknown)}")
        return cls(_make(model.vocab, model.merges))

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids per text, without start and end markers and without truncation.

        A1111 1.10.1 behaviour, that of OpenAI's tokenizer: texts are mended first, so that curly quotes count
        as straight ones, ligatures and full-width letters as plain ones, "&amp;" as "&".
        """
        if not texts:
            return []
        mended = [fix_text(text) for text in texts]
        encoded = self._tokenizer(mended, add_special_tokens=False, return_attention_mask=False)
        return [list(ids) for ids in encoded["input_ids"]]


def _make(vocab: Mapping[str, int], merges: Sequence[tuple[str, ...]]) -> CLIPTokenizer:
    make: Callable[..., CLIPTokenizer] = CLIPTokenizer  # its annotation of `merges` is too narrow
    return make(vocab=vocab, merges=merges, model_max_length=_NO_LIMIT)


def holds_tokenizer(folder: Path) -> bool:
    """Whether `folder` has the files of a saved CLIP tokenizer."""
    return any((folder / name).is_file() for name in _FOLDER_FILES)


def _read_merges() -> list[tuple[str, ...]]:
    data_file = resources.files("sdapi_compat.backend").joinpath("vocabulary", _DATA_FILE)
    with data_file.open("rb") as packed, gzip.open(packed, "rt", encoding="utf-8") as lines:
        return [tuple(line.split()) for line in islice(lines, 1, _MERGES + 1)]


def _vocab(merges: list[tuple[str, ...]]) -> dict[str, int]:
    letters = _byte_letters()
    tokens = [*letters, *(letter + _WORD_END for letter in letters)]
    tokens += ["".join(pair) for pair in merges]
    return {token: index for index, token in enumerate([*tokens, _START, _END])}


def _byte_letters() -> list[str]:
    """The 256 characters that stand for bytes in byte-level BPE: printable ones for themselves first."""
    spans = (("!", "~"), ("¡", "¬"), ("®", "ÿ"))
    printable = [code for first, last in spans for code in range(ord(first), ord(last) + 1)]
    others = range(256 - len(printable))
    return [chr(byte) for byte in printable] + [chr(256 + index) for index in others]
