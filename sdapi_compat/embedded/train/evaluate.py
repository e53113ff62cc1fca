"""Score the shipped model: ``python -m sdapi_compat.embedded.train.evaluate --size 512 --concepts 50``.

Each phrase is drawn with a plain diffusers pipeline; :mod:`.retrieval` then says which of all the
glyphs the picture shows, and on what colour.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from .. import CHECKPOINT_DIR
from .parts import Pipeline, StableDiffusionPipeline
from .retrieval import background_rgb, colour_name, rank_concepts
from .vocabulary import COLOURS, concept_keys


@dataclass(frozen=True)
class Request:
    """One picture to draw; sizes in pixels."""

    prompt: str
    seed: int
    size: int = 512
    steps: int = 20
    guidance: float = 7.0
    negative: str = ""


@dataclass(frozen=True)
class Score:
    """Shares (0..1) of pictures recognised first, among the first five, and with the background asked for."""

    top1: float
    top5: float
    background: float
    pictures: int


def load_pipeline(folder: Path = CHECKPOINT_DIR) -> Pipeline:
    """The model in float32 on the CPU, with the folder's own scheduler."""
    pipeline = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.unet.to(memory_format=torch.channels_last)
    pipeline.vae.to(memory_format=torch.channels_last)
    return pipeline


def draw(pipeline: Pipeline, request: Request) -> Image.Image:
    """The RGB picture that ``request`` asks for; its noise comes from a CPU generator of its own."""
    output = pipeline(
        request.prompt,
        negative_prompt=request.negative,
        height=request.size,
        width=request.size,
        num_inference_steps=request.steps,
        guidance_scale=request.guidance,
        generator=torch.Generator().manual_seed(request.seed),
    )
    picture: Image.Image = output.images[0]
    return picture


def phrases(keys: Sequence[str]) -> list[tuple[str, str, str | None]]:
    """(prompt, key, background or None) for each key: every second one names a background colour."""
    colours = list(COLOURS)
    cases: list[tuple[str, str, str | None]] = []
    for index, key in enumerate(keys):
        colour = colours[(index // 2) % len(colours)] if index % 2 else None
        cases.append((f"{key} on a {colour} background" if colour else key, key, colour))
    return cases


def score(pipeline: Pipeline, keys: Sequence[str], seeds: Sequence[int], size: int) -> Score:
    """Draw every phrase of ``keys`` with every seed at ``size`` x ``size`` and recognise the pictures."""
    first = five = matched = named = count = 0
    for prompt, key, colour in phrases(keys):
        for seed in seeds:
            picture = draw(pipeline, Request(prompt, seed, size))
            ranked = rank_concepts(picture)
            count += 1
            first += ranked[0] == key
            five += key in ranked[:5]
            if colour is not None:
                named += 1
                matched += colour_name(background_rgb(picture)) == colour
    return Score(first / count, five / count, matched / max(1, named), count)


def main() -> None:
    """Print the score of a model folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=CHECKPOINT_DIR)
    parser.add_argument("--concepts", type=int, default=len(concept_keys()), help="first rows of the table")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--size", type=int, default=512, help="pixels")
    options = parser.parse_args()
    keys = concept_keys()[: options.concepts]
    result = score(load_pipeline(options.model), keys, range(options.seeds), options.size)
    print(f"{result.pictures} pictures of {options.size} px, {len(keys)} concepts of {len(concept_keys())}")
    print(f"top-1 {result.top1:.3f}  top-5 {result.top5:.3f}  background {result.background:.3f}")


if __name__ == "__main__":
    main()
