"""Score the model as users meet it: ``python -m sdapi_compat.embedded.train.evaluate``.

A server of this checkout draws phrases that no training caption has the form of; :mod:`.retrieval`, which
has no learned part, then says which of all the glyphs each picture shows, and on what colour. Every request
has 20 steps; besides prompt, seed and size the rest is as A1111's API has it when not told (scale 7, Euler).
Scores are printed as they come; the whole takes about 20 minutes on two cores, most of it for the phrases.
"""

from __future__ import annotations

import argparse
import contextlib
import random
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from .. import CHECKPOINT_DIR
from .autoencoder import pictures_to_tensor, psnr
from .parts import AutoencoderKL
from .retrieval import Gallery, background_rgb, colour_name, colour_share, full_gallery, object_mask
from .scenes import render, sample_scene
from .server import data_url, draw, serving
from .vocabulary import COLOURS, Concept, load_concepts

#: Forms of phrases that no training caption has.
FORMS = (
    "{a} please", "can you make {a}", "i would like to see {a}", "{name} for my best friend",
    "{name}, watercolour on paper", "the best {name} ever", "give me {a}", "{a} as a tattoo",
)  # fmt: skip
STEPS = 20
CLIENTS = 4
#: After so many pictures the standing of the first scores is printed.
NEWS = 50
#: Mean difference of two pictures, 0..255, from which on anybody sees that they are two.
VISIBLE = 2.0

Draw = Callable[[dict[str, Any]], Image.Image]


@dataclass(frozen=True)
class Case:
    """A prompt, what should be seen, and the colour behind it if the prompt names one."""

    prompt: str
    key: str
    colour: str | None
    seed: int


def cases(concepts: Sequence[Concept], count: int, seeds: int) -> list[Case]:
    """``count`` phrases about concepts drawn without repetition, each with seeds 1 to ``seeds``."""
    rng = random.Random(101)
    chosen = rng.sample(list(concepts), min(count, len(concepts)))
    found = []
    for index, concept in enumerate(chosen):
        name = concept.key
        article = "an" if name[0] in "aeiou" else "a"
        prompt = FORMS[index % len(FORMS)].format(name=name, a=f"{article} {name}")
        colour = rng.choice(list(COLOURS)) if index % 2 else None
        prompt += f" on a {colour} background" if colour else ""
        found += [Case(prompt, name, colour, seed + 1) for seed in range(seeds)]
    return found


def drawn(make: Draw, requests: Iterable[dict[str, Any]]) -> Iterable[Image.Image]:
    """The pictures of all requests in order, several asked for at once."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        yield from pool.map(make, requests)


def retrieval(make: Draw, gallery: Gallery, asked: Sequence[Case]) -> dict[str, float]:
    """Shares of pictures recognised first and among the first five, and with the colour asked for."""
    first = five = matched = 0
    pictures = drawn(make, [{"prompt": case.prompt, "seed": case.seed} for case in asked])
    for done, (case, picture) in enumerate(zip(asked, pictures, strict=True), 1):
        ranked = gallery.rank(picture)
        first += ranked[0] == case.key
        five += case.key in ranked[:5]
        matched += case.colour is not None and colour_name(background_rgb(picture)) == case.colour
        if done % NEWS == 0:
            print(f"after {done:4} pictures: top-1 {first / done:.3f}, top-5 {five / done:.3f}", flush=True)
    coloured = sum(case.colour is not None for case in asked)
    return {"top-1": first / len(asked), "top-5": five / len(asked), "background": matched / max(1, coloured)}


def pairs(make: Draw, gallery: Gallery, concepts: Sequence[Concept], count: int) -> dict[str, float]:
    """Shares of square pictures of "A and B" in whose halves A and B are first, or among the first five.

    Of each half the middle is looked at, as wide as high: the gallery compares squares.
    """
    rng = random.Random(103)
    asked = [rng.sample([concept.key for concept in concepts], 2) for _ in range(count)]
    requests = [{"prompt": f"a {left} and a {right}", "seed": 1} for left, right in asked]
    first = five = 0
    for keys, picture in zip(asked, drawn(make, requests), strict=True):
        middle = picture.width // 2
        top, bottom = middle // 2, middle // 2 + middle
        halves = [picture.crop((left, top, left + middle, bottom)) for left in (0, middle)]
        ranks = [gallery.rank(half).index(key) for half, key in zip(halves, keys, strict=True)]
        first += max(ranks) == 0
        five += max(ranks) < 5
    return {"pairs, both first": first / count, "pairs, both among five": five / count}


def round_trip(concepts: list[Concept], folder: Path, count: int) -> dict[str, float]:
    """Mean PSNR in dB of scenes of 512 pixels that go through the autoencoder."""
    vae = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32)
    rng = random.Random(107)
    values = []
    for _ in range(count):
        pixels = pictures_to_tensor([render(sample_scene(rng, concepts), 512)])
        with torch.no_grad():
            values.append(psnr(vae.decode(vae.encode(pixels).latent_dist.mean).sample, pixels))
    return {"VAE round trip, dB": sum(values) / count}


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean absolute difference of two pictures of one size, 0..255."""
    return float(np.abs(np.asarray(one, dtype=np.float32) - np.asarray(other, dtype=np.float32)).mean())


def seeds(make: Draw, keys: Sequence[str]) -> dict[str, float]:
    """Shares of prompts for which two seeds differ visibly, and for which one seed gives one picture.

    Asked for one after the other: what is drawn together with others is the same up to rounding only.
    """
    made = [make({"prompt": key, "seed": seed}) for key in keys for seed in (1, 2, 1)]
    trios = [made[start : start + 3] for start in range(0, len(made), 3)]
    differ = sum(difference(first, second) > VISIBLE for first, second, _ in trios)
    repeat = sum(difference(first, again) == 0.0 for first, _, again in trios)
    return {"seeds differ": differ / len(trios), "seed repeats": repeat / len(trios)}


def negatives(make: Draw, gallery: Gallery, keys: Sequence[str]) -> dict[str, float]:
    """Shares of prompts in which a negative prompt makes its colour rarer, or its object less like itself."""
    rng = random.Random(109)
    colours = [rng.choice(list(COLOURS)) for _ in keys]
    rarer = weaker = 0
    for key, colour in zip(keys, colours, strict=True):
        request = {"prompt": f"{key} on a {colour} background", "seed": 1}
        plain, without = drawn(make, [request, request | {"negative_prompt": f"{colour} background"}])
        rarer += colour_share(without, colour) < colour_share(plain, colour)
        denied = make(request | {"negative_prompt": key})
        place = gallery.keys.index(key)
        weaker += gallery.distances(denied)[place] > gallery.distances(plain)[place]
    return {"negative colour": rarer / len(keys), "negative object": weaker / len(keys)}


def edits(url: str, make: Draw, keys: Sequence[str]) -> dict[str, float]:
    """How img2img at 0.4 keeps the object's outline (mean overlap), and how often inpainting the left half
    leaves the right one untouched."""
    overlap = untouched = 0.0
    for key in keys:
        start = make({"prompt": key, "seed": 1})
        request = {"prompt": key, "seed": 3, "steps": STEPS, "init_images": [data_url(start)]}
        changed = draw(url, request | {"denoising_strength": 0.4}, "img2img")
        before, after = object_mask(start), object_mask(changed)
        overlap += float((before & after).sum() / max(1, (before | after).sum()))
        middle = start.width // 2
        mask = Image.new("L", start.size)
        mask.paste(255, (0, 0, middle, start.height))
        request |= {"mask": data_url(mask), "mask_blur": 0, "denoising_strength": 0.9, "inpainting_fill": 1}
        filled = draw(url, request, "img2img")
        box = (middle, 0, *start.size)
        untouched += difference(start.crop(box), filled.crop(box)) == 0.0
    return {"img2img overlap": overlap / len(keys), "inpainting untouched": untouched / len(keys)}


def main() -> None:
    """Print all scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a server that runs; default: one is started for it")
    parser.add_argument("--model", type=Path, default=CHECKPOINT_DIR, help="the folder to score")
    parser.add_argument("--phrases", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=2, help="pictures of each phrase")
    parser.add_argument("--samples", type=int, default=24, help="pictures for each of the other scores")
    parser.add_argument("--size", type=int, default=512, help="pixels")
    options = parser.parse_args()
    concepts = load_concepts()
    gallery = full_gallery(concepts)
    keys = [concept.key for concept in random.Random(113).sample(concepts, options.samples)]
    print(
        f"{len(concepts)} concepts, {options.phrases} phrases, {options.seeds} seeds, {options.size} pixels",
        flush=True,
    )
    server = contextlib.nullcontext(options.url) if options.url else serving("--ckpt", str(options.model))
    with server as url:

        def make(request: dict[str, Any]) -> Image.Image:
            return draw(url, {"width": options.size, "height": options.size, "steps": STEPS, **request})

        asked = cases(concepts, options.phrases, options.seeds)
        exams: tuple[Callable[[], dict[str, float]], ...] = (
            lambda: retrieval(make, gallery, asked),
            lambda: pairs(make, gallery, concepts, options.samples),
            lambda: round_trip(concepts, options.model, options.samples),
            lambda: seeds(make, keys),
            lambda: negatives(make, gallery, keys),
            lambda: edits(url, make, keys),
        )
        for exam in exams:
            for name, value in exam().items():
                print(f"{name:24} {value:.3f}", flush=True)


if __name__ == "__main__":
    main()
