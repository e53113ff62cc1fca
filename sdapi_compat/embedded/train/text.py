"""The text encoder learns, before the diffusion model starts, to say what a caption asks for.

Every position from the end-of-text token on sees the whole caption (the attention is causal), so
those states are trained to carry concept, background, size and position linearly, together with a
thumbnail of the glyph. The U-Net then has a text signal to listen to from its first step on.
"""

from __future__ import annotations

import csv
import random
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .autoencoder import pictures_to_tensor
from .captions import caption
from .parts import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, TextEncoder, Tokenizer
from .scenes import POSITIONS, SIZES, Scene, glyph_image, sample_scene
from .tokenizer import CONTEXT, build_tokenizer
from .vocabulary import COLOURS, Concept

WIDTH = 128
THUMBNAIL = 8


def build_text_encoder(tokenizer: Tokenizer) -> TextEncoder:
    """An untrained encoder of :data:`WIDTH` channels for the vocabulary of ``tokenizer``."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
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


class Questions(nn.Module):
    """Linear read-outs of a text state; used in training only, not shipped."""

    thumbnails: Tensor

    def __init__(self, concepts: list[Concept]) -> None:
        super().__init__()
        self.concepts = {concept.key: index for index, concept in enumerate(concepts)}
        self.choices: list[list[str | None]] = [[None, *COLOURS], list(SIZES), [None, *POSITIONS]]
        self.concept = nn.Linear(WIDTH, len(concepts))
        self.others = nn.ModuleList(nn.Linear(WIDTH, len(choice)) for choice in self.choices)
        self.thumbnail = nn.Linear(WIDTH, 3 * THUMBNAIL**2)
        self.register_buffer("thumbnails", torch.stack([_thumbnail(concept) for concept in concepts]))

    def loss(self, states: Tensor, scenes: list[Scene], named: Tensor) -> Tensor:
        """Mean error of all answers; ``named`` (n,) marks captions that are not empty."""
        target = torch.tensor([self.concepts[scene.concept.key] for scene in scenes])
        total = F.cross_entropy(self.concept(states)[named], target[named])
        total = total + F.mse_loss(self.thumbnail(states)[named], self.thumbnails[target[named]])
        names = ("background", "size", "position")
        for head, choice, name in zip(self.others, self.choices, names, strict=True):
            answers = torch.tensor([choice.index(getattr(scene, name)) for scene in scenes])
            total = total + F.cross_entropy(head(states)[named], answers[named])
        return total


def _thumbnail(concept: Concept) -> Tensor:
    glyph = glyph_image(concept.glyph)
    side = max(glyph.size)
    canvas = glyph.crop((0, 0, 0, 0)).resize((side, side))
    canvas.paste(glyph, ((side - glyph.width) // 2, (side - glyph.height) // 2))
    flat = canvas.convert("RGBA").resize((THUMBNAIL, THUMBNAIL))
    flat.paste(flat.convert("RGB"), (0, 0), flat)
    return pictures_to_tensor([flat.convert("RGB")]).flatten()


def _tokenizer(concepts: list[Concept], work: Path, rng: random.Random) -> Tokenizer:
    folder = work / "tokenizer"
    if not folder.exists():
        captions = (caption(rng, sample_scene(rng, concepts)) for _ in range(8000))
        build_tokenizer(captions).save_pretrained(folder)
    return CLIPTokenizer.from_pretrained(folder)


def train(concepts: list[Concept], work: Path, steps: int) -> None:
    """Build the tokenizer and train the encoder; both go to ``work``, the loss to ``work``/text.csv."""
    rng = random.Random(21)
    torch.manual_seed(21)
    tokenizer = _tokenizer(concepts, work, rng)
    encoder, questions = build_text_encoder(tokenizer).train(), Questions(concepts)
    parameters = [*encoder.parameters(), *questions.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, steps, pct_start=0.1)
    with (work / "text.csv").open("w", newline="") as stream:
        log = csv.writer(stream)
        for step in range(steps):
            scenes = [sample_scene(rng, concepts) for _ in range(64)]
            captions = [caption(rng, scene) for scene in scenes]
            # Captions are short: only some steps pay for the places near the end of the context.
            length = rng.choice([26, 26, 40, CONTEXT])
            states = encode_captions(tokenizer, encoder, captions, length)
            # One random place of the padding each time, and the last one, stand for all of them.
            place = rng.randint(20, length - 2)
            named = torch.tensor([bool(text) for text in captions])
            loss = questions.loss(states[:, place], scenes, named)
            loss = loss + questions.loss(states[:, -1], scenes, named)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            if step % 20 == 0:
                log.writerow([step, f"{float(loss.detach()) / 2:.4f}"])
                stream.flush()
    encoder.save_pretrained(work / "text_encoder")
