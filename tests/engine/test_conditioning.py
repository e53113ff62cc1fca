"""Prompts to asks, encodings to rows."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch

from sdapi_compat.engine import conditioning
from sdapi_compat.engine.asks import EncodeText
from sdapi_compat.plan.plan import AdapterChoice, ModelChoice, TextRules
from sdapi_compat.prompt.schedules import ScheduleSteps

MODEL = ModelChoice("toy")


class Words:
    """A vocabulary of one token per word."""

    bos, eos, pad, comma = 1, 2, 2, 3
    words: ClassVar[dict[str, int]] = {"(": 11, "cat": 13}

    def tokenize(self, texts: Any) -> list[list[int]]:
        return [[3 if word == "," else 10 + len(word) for word in text.split()] for text in texts]


class NoEmbeddings:
    def find(self, tokens: Any, position: int) -> None:
        return None


def rules(**changes: Any) -> TextRules:
    fields: dict[str, Any] = {
        "clip_skip": 1,
        "emphasis": "Original",
        "old_emphasis": False,
        "comma_backtrack": 20,
        "old_scheduling": False,
        "pad_cond_uncond": False,
        "pad_cond_uncond_v0": False,
    }
    return TextRules(**fields | changes)


def encode(
    positive: list[str],
    negative: list[str],
    text_rules: TextRules,
    calls: int = 4,
    model: ModelChoice = MODEL,
) -> Any:
    """Run `encode_prompts`, answering each ask with encodings that count up; gives (result, asks)."""
    texts = conditioning.Texts(model, Words(), NoEmbeddings(), text_rules, ScheduleSteps(calls))
    body = conditioning.encode_prompts(texts, positive, negative)
    asks: list[EncodeText] = []
    answer = None
    while True:
        try:
            ask = body.send(answer)
        except StopIteration as stop:
            return stop.value, asks
        asks.append(ask)
        rows, chunks = len(ask.prompts), len(ask.prompts[0])
        answer = torch.full((rows, 77 * chunks, 2), float(len(asks)))
        answer += torch.arange(rows).view(-1, 1, 1) / 10


def test_equal_texts_are_encoded_once() -> None:
    result, asks = encode(["a cat", "a cat", "a dog"], ["bad", "bad", "bad"], rules())
    assert len(asks) == 3
    assert [part.text.at(0)[0, 0].item() for parts in result.positive for part in parts] == [1, 1, 2]
    assert [text.at(3)[0, 0].item() for text in result.negative] == [3, 3, 3]
    assert result.empty is None


def test_what_pads_prompts_is_encoded_by_the_bare_model() -> None:
    adapted = ModelChoice("toy", "vae", (AdapterChoice("x", 1.0, 1.0, None),))
    result, asks = encode(["a cat"], ["bad"], rules(pad_cond_uncond=True), model=adapted)
    assert [ask.model for ask in asks] == [adapted, adapted, ModelChoice("toy", "vae")]
    assert result.empty[0, 0, 0] == 3
    assert encode(["a cat"], [""], rules(pad_cond_uncond_v0=True))[0].empty is None


def test_and_has_weights_in_positive_prompts_only() -> None:
    result, asks = encode(["a cat AND a dog:0.5"], ["mud AND sand:2"], rules())
    assert [part.weight for part in result.positive[0]] == [1.0, 0.5]
    assert len(asks) == 3


def test_editing_makes_variants_that_share_a_call() -> None:
    result, asks = encode(["[cat:dog:2]"], [""], rules(), calls=4)
    assert [len(ask.prompts) for ask in asks] == [2, 1]
    text = result.positive[0][0].text
    # The original's off-by-one: the first variant holds for one call more than its number.
    assert [round(text.at(call)[0, 0].item(), 1) for call in range(4)] == [1.0, 1.0, 1.0, 1.1]


def test_the_old_emphasis_has_one_chunk_and_brackets_that_are_tokens() -> None:
    _, asks = encode(["( cat BREAK cat"], ["w " * 100], rules(old_emphasis=True))
    (chunk,) = asks[0].prompts[0]
    assert (chunk.tokens[:5], chunk.weights[:5]) == ([1, 13, 15, 13, 2], [1.0, 1.1, 1.1, 1.1, 1.0])
    assert [len(ask.prompts[0]) for ask in asks] == [1, 1]


def test_the_old_emphasis_can_be_none() -> None:
    _, asks = encode(["( cat"], [""], rules(old_emphasis=True, emphasis="None"))
    (chunk,) = asks[0].prompts[0]
    assert (chunk.tokens[:3], chunk.weights[:3]) == ([1, 11, 13], [1.0, 1.0, 1.0])


@pytest.mark.parametrize(
    ("positive", "negative", "expected"),
    [
        ("a cat", "bad", False),
        ("a (cat)", "bad", True),
        ("a cat", "[bad]", True),
        ("[a:b:2] [c|d]", "", False),
        ("[a:(b):2]", "", True),
        ("a <lora:(x):1>", "", False),
        ("a AND (b):0.5", "", True),
    ],
)
def test_brackets_are_looked_for_in_what_is_encoded(positive: str, negative: str, expected: bool) -> None:
    result, _ = encode([positive], [negative], rules())
    assert result.has_brackets == expected


def test_network_tags_are_taken_out_of_the_positive_prompt() -> None:
    tagged, _ = encode(["a cat <lora:x:1>"], [""], rules())
    plain, _ = encode(["a cat "], [""], rules())
    assert tagged.positive[0][0].text.schedule == plain.positive[0][0].text.schedule


def test_stacking_repeats_the_last_vector() -> None:
    short, long = torch.arange(4.0).view(2, 2), torch.zeros(4, 2)
    stacked = conditioning.stacked([short, long])
    assert stacked.shape == (2, 4, 2)
    assert stacked[0].tolist() == [[0, 1], [2, 3], [2, 3], [2, 3]]


@pytest.mark.parametrize(
    ("lengths", "changes", "expected", "label"),
    [
        ((77, 77), {"pad_cond_uncond": True}, (77, 77), None),
        ((154, 77), {}, (154, 77), None),
        ((154, 77), {"pad_cond_uncond": True}, (154, 154), "Pad conds"),
        ((77, 231), {"pad_cond_uncond": True}, (231, 231), "Pad conds"),
        ((154, 77), {"pad_cond_uncond_v0": True}, (154, 154), "Pad conds v0"),
        ((77, 154), {"pad_cond_uncond_v0": True}, (77, 77), "Pad conds v0"),
    ],
)
def test_matching_lengths(lengths: Any, changes: Any, expected: Any, label: Any) -> None:
    cond, uncond = (torch.rand(2, length, 3) for length in lengths)
    empty = torch.zeros(1, 77, 3) if "pad_cond_uncond" in changes else None
    one, other, found = conditioning.matched(cond, uncond, rules(**changes), empty)
    assert (one.shape[1], other.shape[1], found) == (*expected, label)
