from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers.models.clip.tokenization_clip import CLIPTokenizer

from sdapi_compat.backend.tokenizer import ClipVocabulary, holds_tokenizer


@pytest.fixture(scope="module")
def vocabulary() -> ClipVocabulary:
    return ClipVocabulary.built_in()


def test_markers(vocabulary: ClipVocabulary) -> None:
    assert (vocabulary.bos, vocabulary.eos, vocabulary.pad) == (49406, 49407, 49407)
    assert vocabulary.comma == 267
    assert len(vocabulary.words) == 49408
    assert vocabulary.words["(</w>"] == vocabulary.tokenize(["("])[0][0]


def test_ids_of_openai_clip(vocabulary: ClipVocabulary) -> None:
    assert vocabulary.tokenize(["a photo of a cat", "", "Hello,  WORLD!"]) == [
        [320, 1125, 539, 320, 2368],
        [],
        [3306, 267, 1002, 256],
    ]
    assert vocabulary.tokenize([]) == []


def test_long_texts_are_not_cut(vocabulary: ClipVocabulary) -> None:
    (ids,) = vocabulary.tokenize(["cat " * 200])
    assert ids == [2368] * 200


def test_every_character_has_ids(vocabulary: ClipVocabulary) -> None:
    for ids in vocabulary.tokenize(["😀", "日本", "ünï", "\N{MATHEMATICAL SCRIPT CAPITAL A}"]):
        assert ids
        assert all(0 <= index < vocabulary.bos for index in ids)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("a woman\N{RIGHT SINGLE QUOTATION MARK}s face", "a woman's face"),
        ("\N{LEFT DOUBLE QUOTATION MARK}red\N{RIGHT DOUBLE QUOTATION MARK}", '"red"'),
        ("\N{LATIN SMALL LIGATURE FI}re", "fire"),
        ("\N{FULLWIDTH DIGIT ONE}\N{FULLWIDTH DIGIT TWO}", "12"),
        ("salt &amp; pepper", "salt & pepper"),
        ("tre\u0300s", "tr\u00e8s"),
    ],
)
def test_texts_are_mended_first(vocabulary: ClipVocabulary, text: str, plain: str) -> None:
    mended, wanted = vocabulary.tokenize([text, plain])
    assert mended == wanted


def test_a_saved_tokenizer_is_used(tmp_path: Path) -> None:
    tokens = ["a", "b", "a</w>", "b</w>", "ab</w>", "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(
        vocab={token: index for index, token in enumerate(tokens)},
        merges=[("a", "b</w>")],  # type: ignore[list-item]
        model_max_length=77,
    )
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    assert holds_tokenizer(tmp_path / "tokenizer")
    assert not holds_tokenizer(tmp_path)
    own = ClipVocabulary.from_folder(tmp_path / "tokenizer")
    assert own.tokenize(["ab a", "AB " * 90]) == [[4, 2], [4] * 90]
    assert (own.bos, own.eos, own.pad, own.comma) == (5, 6, 6, None)


def test_a_tokenizer_as_json(tmp_path: Path) -> None:
    tokens = ["a", "b", "a</w>", "b</w>", "ab</w>", "<|startoftext|>", "<|endoftext|>"]
    vocab = {token: index for index, token in enumerate(tokens)}
    CLIPTokenizer(vocab=vocab, merges=[("a", "b</w>")]).save_pretrained(tmp_path)
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    read, saved = ClipVocabulary.from_json(content), ClipVocabulary.from_folder(tmp_path)
    assert read.tokenize(["ab AB b"]) == saved.tokenize(["ab AB b"]) == [[4, 4, 3]]
    assert (read.bos, read.eos, read.pad) == (saved.bos, saved.eos, saved.pad) == (5, 6, 6)
    assert read.words == saved.words


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"model": []},
        {"model": {"vocab": {"a": "b"}, "merges": []}},
        {"model": {"vocab": {"a</w>": 0}, "merges": []}},
        {"model": {"vocab": {"<|startoftext|>": 0, "<|endoftext|>": 1}, "merges": ["a b"]}},
    ],
)
def test_json_that_is_no_tokenizer(content: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"tokenizer\.json: "):
        ClipVocabulary.from_json(content)
