"""A small byte-level BPE in CLIP's format, learned from the captions alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from .parts import CLIPTokenizer, Tokenizer

START, END = "<|startoftext|>", "<|endoftext|>"
#: Length of the text encoder's context, in tokens, as in SD1.
CONTEXT = 77


def _count_words(captions: Iterable[str]) -> Counter[tuple[str, ...]]:
    words: Counter[tuple[str, ...]] = Counter()
    for text in captions:
        for word in text.replace(",", " , ").split():
            words[(*word[:-1], word[-1] + "</w>")] += 1
    return words


def _merge(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    merged: list[str] = []
    for symbol in word:
        if merged and (merged[-1], symbol) == pair:
            merged[-1] += symbol
        else:
            merged.append(symbol)
    return tuple(merged)


def learn_merges(captions: Iterable[str], count: int) -> list[tuple[str, str]]:
    """The ``count`` most useful merges of ASCII captions, in order (fewer if no pair repeats)."""
    words = _count_words(captions)
    merges: list[tuple[str, str]] = []
    while len(merges) < count:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, number in words.items():
            for pair in pairwise(word):
                pairs[pair] += number
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        renewed: Counter[tuple[str, ...]] = Counter()
        for word, number in words.items():
            renewed[_merge(word, best)] += number
        words = renewed
    return merges


def byte_letters() -> list[str]:
    """The 256 letters that stand for bytes in CLIP's format, the printable ones for themselves first."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    return [chr(code) for code in plain] + [chr(256 + index) for index in range(256 - len(plain))]


def build_tokenizer(captions: Iterable[str], merge_count: int = 1500) -> Tokenizer:
    """A CLIP tokenizer whose merges make one token of every frequent word of ``captions``."""
    alphabet = byte_letters()
    merges = learn_merges(captions, merge_count)
    tokens = [*alphabet, *(letter + "</w>" for letter in alphabet)]
    joined = dict.fromkeys(left + right for left, right in merges)
    tokens += [token for token in joined if token not in tokens]
    tokens += [START, END]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    return CLIPTokenizer(
        vocab=vocabulary,
        merges=merges,
        model_max_length=CONTEXT,
        bos_token=START,
        eos_token=END,
        unk_token=END,
        pad_token=END,
    )
