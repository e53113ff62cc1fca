"""The text encoder learns, before the diffusion model starts, to plan the picture that a caption asks for.

Every state of a caption is trained to hold a part of the plan (:mod:`.layout`), as far as the words read so
far tell it (the attention is causal); those after the words hold it whole. So the U-Net needs not find out
what words mean nor where things go: it has a rough picture to look at from its first step on, and what it
learns about drawing holds for all concepts alike.
"""

from __future__ import annotations

import csv
import random
import time
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from .captions import AFTER, caption, filler_word
from .layout import CODE, PARTS, PLANNED, PartCode, planned_code, signs, thumbnail
from .optimizer import HiddenOptimizer, falling
from .parts import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, TextEncoder, Tokenizer
from .scenes import Scene, Topic, sample_topic
from .tokenizer import CONTEXT, build_tokenizer
from .vocabulary import COLOURS, Concept

WIDTH, DEPTH, HEADS, INNER = 256, 3, 4, 1632
MERGES = 4000
BATCH = 64
#: Mean square by which half of all plans differ from their empty backgrounds. Errors of fainter plans, such
#: as that of a pale thing on white, weigh more, up to so many times: they would hardly count as they are.
USUAL_CONTRAST, MOST_WEIGHT = 0.4, 5.0
#: Weight of the states among the words, which know only what was read so far.
EARLY = 0.1
#: Share of captions that ask for nothing: empty, or of words without meaning. Guidance starts from them.
BLANK_SHARE = 0.05
#: Share of batches that pay for the places near the end of the context.
FULL_SHARE = 0.15
#: Share of captions about two things, which are the hardest to plan.
PAIR_SHARE = 0.5
SAVE_SECONDS = 300.0


def build_text_encoder(tokenizer: Tokenizer) -> TextEncoder:
    """An untrained encoder of :data:`WIDTH` channels for the vocabulary of ``tokenizer``."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=INNER,
        num_hidden_layers=DEPTH,
        num_attention_heads=HEADS,
        max_position_embeddings=CONTEXT,
        projection_dim=WIDTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config)


def encode_captions(
    tokenizer: Tokenizer, encoder: TextEncoder, captions: list[str], length: int = CONTEXT
) -> Tensor:
    """Hidden states (n, length, width) of captions padded with end tokens, as the server pads prompts."""
    ids = tokenizer(captions, padding="max_length", truncation=True, max_length=length, return_tensors="pt")
    states: Tensor = encoder(ids.input_ids).last_hidden_state
    return states


def blank_caption(rng: random.Random) -> str:
    """A caption that asks for nothing."""
    words = rng.choice([0, 0, 1, 2, 4])
    join = rng.choice([" ", ", "])
    return join.join(rng.choice(AFTER) if rng.random() < 0.5 else filler_word(rng) for _ in range(words))


class Lessons:
    """Captions with their plans, in batches of captions of like length."""

    def __init__(self, concepts: list[Concept], tokenizer: Tokenizer, code: PartCode, seed: int) -> None:
        self._concepts, self._tokenizer, self._code = concepts, tokenizer, code
        self._empty = {
            name: code.encode(thumbnail(Scene(Topic((), name), rgb, ()))) for name, rgb in COLOURS.items()
        }
        self._rng = random.Random(seed)

    def _one(self) -> tuple[list[int], Tensor, float]:
        if self._rng.random() < BLANK_SHARE:
            return self._tokenizer(blank_caption(self._rng)).input_ids, torch.zeros(PARTS, CODE), 1.0
        topic = sample_topic(self._rng, self._concepts, PAIR_SHARE)
        plan = planned_code(self._code, topic)
        contrast = float((plan - self._empty[topic.background or "white"]).square().mean())
        weight = min(MOST_WEIGHT, USUAL_CONTRAST / max(contrast, 1e-6))
        return self._tokenizer(caption(self._rng, topic)).input_ids, plan, weight

    def batches(self) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """Without end: ids (n, length), plans (n, PARTS, CODE), counts of words' tokens (n,), weights (n,).

        A weight says how much a caption's errors count: more for a faint plan (:data:`MOST_WEIGHT`).
        """
        while True:
            lessons = sorted((self._one() for _ in range(8 * BATCH)), key=lambda lesson: len(lesson[0]))
            groups = [lessons[start : start + BATCH] for start in range(0, len(lessons), BATCH)]
            self._rng.shuffle(groups)
            for group in groups:
                longest = min(CONTEXT, len(group[-1][0]) + PARTS)
                length = CONTEXT if self._rng.random() < FULL_SHARE else longest
                ids = torch.full((len(group), length), self._tokenizer.eos_token_id)
                for row, (tokens, _, _) in enumerate(group):
                    ids[row, : len(tokens)] = torch.tensor(tokens[:length])
                counts = torch.tensor([len(tokens) - 1 for tokens, _, _ in group])
                plans = torch.stack([plan for _, plan, _ in group])
                yield ids, plans, counts, torch.tensor([weight for _, _, weight in group])


def plan_loss(
    states: Tensor, plans: Tensor, counts: Tensor, weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The training loss of ``states`` (n, length, width), and the code's error after the words alone.

    ``weights`` (n,): how much each caption counts in the loss; the error counts all alike.
    """
    length = states.shape[1]
    places = torch.arange(length)
    ended = (places >= counts[:, None]).float()
    wanted = plans[:, places % PARTS]
    # The first state sees no word at all: it says nothing.
    wanted[:, 0] = 0.0
    error = (states[..., :CODE] - wanted).square().mean(2)
    weight = ended + EARLY * (1 - ended)
    if weights is not None:
        weight = weight * weights[:, None]
    sign_error = F.mse_loss(states[..., CODE:PLANNED], signs(ended))
    after = (error * ended).sum() / ended.sum()
    return (error * weight).sum() / weight.sum() + 0.1 * sign_error, after.detach()


def load_tokenizer(
    concepts: list[Concept], work: Path, captions: int = 20000, merges: int = MERGES
) -> Tokenizer:
    """The tokenizer in ``work``, made from captions if it is missing."""
    folder = work / "tokenizer"
    if not folder.exists():
        rng = random.Random(21)
        texts = [caption(rng, sample_topic(rng, concepts)) for _ in range(captions)]
        texts += [word for concept in concepts for word in (*concept.names, *concept.synonyms)] * 2
        build_tokenizer(texts, merges).save_pretrained(folder)
    return CLIPTokenizer.from_pretrained(folder)


def is_hidden(name: str, weight: torch.nn.Parameter) -> bool:
    """Whether Muon suits a weight of the encoder: a matrix that is no table of embeddings."""
    return weight.ndim == 2 and "embedding" not in name


class Trainer:
    """The state of a training: encoder, optimizer and the step count; kept in ``work``/text.pt.

    If it is not there, a finished encoder in ``work``/text_encoder is what training begins with.
    """

    def __init__(self, work: Path, tokenizer: Tokenizer) -> None:
        torch.manual_seed(21)
        self.path = work / "text.pt"
        finished = work / "text_encoder"
        if finished.exists():
            encoder = CLIPTextModel.from_pretrained(finished, dtype=torch.float32)
        else:
            encoder = build_text_encoder(tokenizer)
        self.encoder = encoder.train()
        self.optimizer = HiddenOptimizer(self.encoder, is_hidden)
        self.step = 0
        if self.path.exists():
            state = torch.load(self.path, weights_only=True)
            self.encoder.load_state_dict(state["encoder"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step = state["step"]

    def save(self) -> None:
        """Write the state, never leaving a half-written file."""
        state = {
            "encoder": self.encoder.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
        }
        draft = self.path.with_suffix(".tmp")
        torch.save(state, draft)
        draft.replace(self.path)

    def update(self, loss: Tensor, rate: float) -> None:
        """One optimizer step at learning rate ``rate``."""
        self.optimizer.step(loss, rate)
        self.step += 1


def train(concepts: list[Concept], work: Path, minutes: float, rate: float, last_rate: float) -> None:
    """Train for ``minutes`` from where ``work`` stands; the loss goes to ``work``/text.csv."""
    tokenizer = load_tokenizer(concepts, work)
    trainer = Trainer(work, tokenizer)
    code = PartCode.loaded(work / "layout.pt", concepts)
    lessons = Lessons(concepts, tokenizer, code, seed=21 + trainer.step).batches()
    start = saved = time.monotonic()
    recent: list[float] = []
    with (work / "text.csv").open("a", newline="") as stream:
        log = csv.writer(stream)
        while (share := (time.monotonic() - start) / (60 * minutes)) < 1.0:
            ids, plans, counts, weights = next(lessons)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                states = trainer.encoder(ids).last_hidden_state.float()
            loss, after = plan_loss(states, plans, counts, weights)
            trainer.update(loss, falling(rate, last_rate, share, trainer.step))
            recent.append(float(after))
            if trainer.step % 50 == 0:
                seconds = int(time.monotonic() - start)
                log.writerow([trainer.step, f"{sum(recent) / len(recent):.5f}", seconds])
                stream.flush()
                recent.clear()
            if time.monotonic() - saved > SAVE_SECONDS:
                trainer.save()
                saved = time.monotonic()
    trainer.save()
    trainer.encoder.save_pretrained(work / "text_encoder")
