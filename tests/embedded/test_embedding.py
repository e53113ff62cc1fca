"""A word the model did not know: with its embedding, "teal" is a colour."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from sdapi_compat.embedded.train.embedding import (
    SLOT,
    TEAL,
    VECTORS,
    EmbeddingRun,
    Word,
    slotted_caption,
    teal_scene,
)
from sdapi_compat.embedded.train.frozen import encode_pictures, predict
from sdapi_compat.embedded.train.retrieval import to_lab
from sdapi_compat.embedded.train.scenes import render
from sdapi_compat.embedded.train.text import encode_captions
from sdapi_compat.embedded.train.vocabulary import COLOUR_ALIASES, COLOURS


def test_no_other_word_means_teal() -> None:
    assert "teal" not in COLOURS.keys() | COLOUR_ALIASES.keys()
    nearest = min(np.linalg.norm(to_lab(np.array(rgb)) - to_lab(np.array(TEAL))) for rgb in COLOURS.values())
    assert nearest > 15


def test_captions_name_the_slot_in_the_colours_place(concepts: Any) -> None:
    rng = random.Random(3)
    for _ in range(50):
        scene = teal_scene(rng, concepts)
        text = slotted_caption(rng, scene)
        assert text.count(SLOT) == 1
        assert max(abs(part - wanted) for part, wanted in zip(scene.rgb, TEAL, strict=True)) <= 8


def test_a_known_word_in_the_slot_gives_the_known_states(frozen: Any) -> None:
    word = Word(frozen, "blue")
    with torch.no_grad():
        found = word.encode([f"a cat on a {SLOT} background", f"{SLOT} background"])
        twice = " ".join(["blue"] * VECTORS)
        texts = [f"a cat on a {twice} background", f"{twice} background"]
        wanted = encode_captions(frozen.tokenizer, frozen.encoder, texts)
    assert torch.allclose(found, wanted, atol=1e-5)


def test_long_captions_are_cut_at_the_context(frozen: Any) -> None:
    word = Word(frozen, "blue")
    states = word.encode([f"a {SLOT} background, " + "cat " * 200])
    assert states.shape[1] == frozen.encoder.config.max_position_embeddings


def test_the_file_is_one_matrix(companions: Any, frozen: Any) -> None:
    (matrix,) = load_file(companions.embedding).values()
    assert matrix.shape == (VECTORS, frozen.encoder.config.hidden_size)


def test_the_server_lists_it(drawing: Any, frozen: Any) -> None:
    loaded = drawing.server.get("/sdapi/v1/embeddings").json()["loaded"]
    assert loaded["teal"]["shape"] == frozen.encoder.config.hidden_size
    assert loaded["teal"]["vectors"] == VECTORS


def test_with_it_teal_is_denoised_better_than_with_the_first_guess(
    companions: Any, frozen: Any, concepts: Any
) -> None:
    rng = random.Random(9)
    scenes = [teal_scene(rng, concepts) for _ in range(6)]
    latents = encode_pictures(frozen, [render(scene, 256) for scene in scenes])
    captions = [slotted_caption(rng, scene) for scene in scenes]
    torch.manual_seed(9)
    noise, times = torch.randn_like(latents), torch.full((len(latents),), 900)
    noisy = frozen.scheduler.add_noise(latents, noise, times)
    target = frozen.scheduler.get_velocity(latents, noise, times)
    word = Word(frozen, EmbeddingRun.first_guess)

    def error() -> float:
        return float((predict(frozen, noisy, times, word.encode(captions)) - target).square().mean())

    with torch.no_grad():
        guessed = error()
        (found,) = load_file(companions.embedding).values()
        word.vectors.copy_(found)
        assert error() < 0.9 * guessed


def test_the_word_counts_in_pictures(drawing: Any) -> None:
    with_word, unknown = (drawing.draw(f"a cat on a {word} background") for word in ("teal", "telal"))
    assert np.abs(with_word - unknown).mean() > 5
