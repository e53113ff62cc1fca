"""A textual inversion: vectors for a word that the model does not know, found through the frozen model.

The word is "teal". It is none of the background colours in the vocabulary; without the embedding the model
reads over it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from .captions import caption
from .frozen import SIDES, FrozenModel, batch_of, denoising_loss, encode_pictures, optimise
from .scenes import Scene, render, sample_scene
from .vocabulary import Concept

#: The colour that the word stands for, RGB 0..255, and how far pictures stray from it.
TEAL = (20, 150, 140)
STRAY = 8
#: Stands for the word in captions; the vectors take its place.
SLOT = "{}"
#: How many tokens the word takes.
VECTORS = 2


@dataclass(frozen=True)
class EmbeddingRun:
    """Length of the training, latents' sides, scenes of each, peak of the rate, first guess, and seed."""

    steps: int = 160
    sides: tuple[int, ...] = SIDES
    scenes: int = 48
    rate: float = 3e-2
    first_guess: str = "green blue"
    seed: int = 81


def teal_scene(rng: random.Random, concepts: list[Concept]) -> Scene:
    """A scene on teal, whose captions have the slot where colours stand."""
    red, green, blue = (part + rng.randint(-STRAY, STRAY) for part in TEAL)
    scene = sample_scene(rng, concepts)
    return replace(scene, topic=replace(scene.topic, background=SLOT), rgb=(red, green, blue))


class Word:
    """The vectors of a word, and captions that name it as states of the text encoder."""

    def __init__(self, model: FrozenModel, first_guess: str) -> None:
        self._model = model
        lookup = model.encoder.get_input_embeddings()
        self._lookup = lookup
        tokens = model.tokenizer(first_guess, add_special_tokens=False).input_ids
        start = [tokens[place % len(tokens)] for place in range(VECTORS)]
        self.vectors = nn.Parameter(lookup.weight[start].clone())

    def encode(self, captions: list[str]) -> Tensor:
        """States (n, context, width) of captions, the vectors standing in each one's slot."""
        rows = [self._tokens(text) for text in captions]
        tokens = torch.tensor([ids for ids, _ in rows])
        with self._placed([place for _, place in rows]):
            states: Tensor = self._model.encoder(tokens).last_hidden_state
        return states

    def _tokens(self, text: str) -> tuple[list[int], int]:
        """The ids of one caption, filled up with end tokens, and the place of the first vector."""
        tokenizer = self._model.tokenizer
        before, after = (tokenizer(part, add_special_tokens=False).input_ids for part in text.split(SLOT, 1))
        ids = [tokenizer.bos_token_id, *before, *[tokenizer.eos_token_id] * VECTORS, *after]
        length = self._model.encoder.config.max_position_embeddings
        ids = ids[: length - 1]
        return ids + [tokenizer.eos_token_id] * (length - len(ids)), 1 + len(before)

    @contextmanager
    def _placed(self, places: list[int]) -> Iterator[None]:
        def replaced(_lookup: nn.Module, _inputs: object, output: Tensor) -> Tensor:
            rows = []
            for row, place in zip(output, places, strict=True):
                rows.append(torch.cat([row[:place], self.vectors, row[place + VECTORS :]]))
            return torch.stack(rows)

        hook = self._lookup.register_forward_hook(replaced)
        try:
            yield
        finally:
            hook.remove()


def slotted_caption(rng: random.Random, scene: Scene) -> str:
    """A caption that has the slot: some leave out everything."""
    while SLOT not in (text := caption(rng, scene.topic)):
        pass
    return text


def train_embedding(
    model: FrozenModel, concepts: list[Concept], target: Path, run: EmbeddingRun | None = None
) -> Path:
    """Find the vectors and write them to ``target``, a .safetensors whose stem is the word in prompts."""
    run = run or EmbeddingRun()
    rng = random.Random(run.seed)
    torch.manual_seed(run.seed)
    scenes = [teal_scene(rng, concepts) for _ in range(run.scenes)]
    latents = {side: _encoded(model, scenes, side) for side in run.sides}
    word = Word(model, run.first_guess)
    for number, step in enumerate(optimise({run.rate: [word.vectors]}, run.steps)):
        side = run.sides[number % len(run.sides)]
        chosen = rng.choices(range(run.scenes), k=batch_of(side))
        captions = [slotted_caption(rng, scenes[place]) for place in chosen]
        step(denoising_loss(model, latents[side][chosen], word.encode(captions)))
    target.parent.mkdir(parents=True, exist_ok=True)
    save_file({"emb_params": word.vectors.detach().clone()}, target, metadata={"format": "pt"})
    return target


def _encoded(model: FrozenModel, scenes: list[Scene], side: int) -> Tensor:
    return torch.cat([encode_pictures(model, [render(scene, 8 * side)]) for scene in scenes])
