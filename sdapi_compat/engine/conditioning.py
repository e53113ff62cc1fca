"""Prompts to conditioning tensors, and which of them holds at which model call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from sdapi_compat.engine.asks import EncodeText
from sdapi_compat.prompt import composition, schedules
from sdapi_compat.prompt.chunks import chunk, equalize
from sdapi_compat.prompt.emphasis import Emphasis, fragments
from sdapi_compat.prompt.extra_networks import extract
from sdapi_compat.prompt.old_emphasis import bracket_factors, truncated_chunk

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from torch import Tensor

    from sdapi_compat.engine.asks import Ask
    from sdapi_compat.plan.plan import ModelChoice, TextRules
    from sdapi_compat.prompt.chunks import Chunk, Vocabulary
    from sdapi_compat.prompt.embeddings import EmbeddingFinder
    from sdapi_compat.prompt.schedules import ScheduledText, ScheduleSteps


class Scheduled(NamedTuple):
    """One text's encodings (variants, L, d), when each of them holds, and embeddings named in it."""

    schedule: Sequence[ScheduledText]
    encodings: Tensor
    embeddings: tuple[str, ...]

    def at(self, call: int) -> Tensor:
        """The encoding (L, d) for model call number `call`, from 0."""
        return self.encodings[schedules.index_at(self.schedule, call)]


class Part(NamedTuple):
    """One side of an AND."""

    weight: float
    text: Scheduled


class Conditioning(NamedTuple):
    """Per image of a batch: the parts of its positive prompt, and its negative prompt.

    `empty` is the encoding (1, 77, d) of no text by the bare model, for padding; None where nothing needs
    padding with it.
    """

    positive: list[list[Part]]
    negative: list[Scheduled]
    empty: Tensor | None

    @property
    def embeddings(self) -> list[str]:
        """Names of the textual inversions in all prompts, in order of use."""
        texts = [part.text for parts in self.positive for part in parts] + self.negative
        return list(dict.fromkeys(name for text in texts for name in text.embeddings))

    @property
    def has_brackets(self) -> bool:
        """Whether a bracket of emphasis is in any text, at any time of the pass."""
        texts = [part.text for parts in self.positive for part in parts] + self.negative
        return any("(" in variant.text or "[" in variant.text for text in texts for variant in text.schedule)


class Texts(NamedTuple):
    """What text encoding needs to know of the model and the rules."""

    model: ModelChoice
    vocabulary: Vocabulary
    embeddings: EmbeddingFinder
    rules: TextRules
    steps: ScheduleSteps


def encode_prompts(
    texts: Texts, positive: Sequence[str], negative: Sequence[str]
) -> Generator[Ask, Any, Conditioning]:
    """Encode a batch's prompts; equal texts are encoded once.

    A1111 1.10.1 behaviour: extra-network tags and AND belong to positive prompts only. What pads prompts is
    encoded when the model is loaded, so no LoRA has a part in it.
    """
    encoded: dict[str, Scheduled] = {}
    images = []
    for prompt in positive:
        parts = []
        for part in composition.split(extract(prompt)[0]):
            if part.text not in encoded:
                encoded[part.text] = yield from _encode(texts, part.text)
            parts.append(Part(part.weight, encoded[part.text]))
        images.append(parts)
    unwanted = {}
    for prompt in dict.fromkeys(negative):
        unwanted[prompt] = yield from _encode(texts, prompt)
    empty = None
    if texts.rules.pad_cond_uncond:
        empty = (yield from _encode(texts._replace(model=texts.model.bare()), "")).encodings
    return Conditioning(images, [unwanted[prompt] for prompt in negative], empty)


def _encode(texts: Texts, text: str) -> Generator[Ask, Any, Scheduled]:
    # All variants of a text go through the encoder together: the original's emphasis takes means over them.
    schedule = schedules.expand(text, texts.steps)
    mode = Emphasis.named(texts.rules.emphasis)
    prompts = equalize(_chunks([variant.text for variant in schedule], mode, texts), texts.vocabulary)
    encodings = yield EncodeText(texts.model, prompts, texts.rules.clip_skip, mode.value)
    used = dict.fromkeys(name for prompt in prompts for one in prompt for _, name in one.embeddings)
    return Scheduled(schedule, encodings, tuple(used))


def _chunks(variants: Sequence[str], mode: Emphasis, texts: Texts) -> list[list[Chunk]]:
    if texts.rules.old_emphasis:
        weigh = mode is not Emphasis.NONE
        factors: Mapping[int, float] = bracket_factors(texts.vocabulary.words) if weigh else {}
        return [
            [truncated_chunk(variant, texts.vocabulary, factors, texts.embeddings)] for variant in variants
        ]
    backtrack = texts.rules.comma_backtrack
    return [
        chunk(fragments(variant, mode), texts.vocabulary, backtrack, texts.embeddings) for variant in variants
    ]


def stacked(encodings: Sequence[Tensor]) -> Tensor:
    """Encodings (L_i, d) as one tensor (n, L, d); shorter ones repeat their last vector."""
    longest = max(one.shape[0] for one in encodings)
    return torch.stack([_extended(one, longest) for one in encodings])


def _extended(encoding: Tensor, length: int) -> Tensor:
    missing = length - encoding.shape[0]
    return encoding if missing == 0 else torch.cat([encoding, encoding[-1:].expand(missing, -1)])


def matched(
    cond: Tensor, uncond: Tensor, rules: TextRules, empty: Tensor | None
) -> tuple[Tensor, Tensor, str | None]:
    """Bring (n, L, d) and (m, M, d) to one length if an option asks for it, and name the option's label.

    A1111 1.10.1 behaviour: `pad_cond_uncond_v0` repeats or cuts the unconditional side; `pad_cond_uncond`
    appends encodings of the empty prompt to the shorter; without either the lengths stay different.
    """
    length, other = cond.shape[1], uncond.shape[1]
    if length == other:
        return cond, uncond, None
    if rules.pad_cond_uncond_v0:
        if other > length:
            return cond, uncond[:, :length], "Pad conds v0"
        return cond, torch.cat([uncond, uncond[:, -1:].expand(-1, length - other, -1)], 1), "Pad conds v0"
    if empty is None:
        return cond, uncond, None
    if other < length:
        return cond, _with_empty(uncond, empty, length), "Pad conds"
    return _with_empty(cond, empty, other), uncond, "Pad conds"


def _with_empty(encodings: Tensor, empty: Tensor, length: int) -> Tensor:
    repeats = (length - encodings.shape[1]) // empty.shape[1]
    return torch.cat([encodings, empty.repeat(encodings.shape[0], repeats, 1)], 1)
