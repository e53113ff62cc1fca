"""An inpainting variant: the U-Net also sees a mask and the picture without what is under it.

It has five input channels more, in the original's order: the mask, then the latents of the picture whose
masked part is grey. They start without effect, so that the training goes on from what the model knows.
"""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn

from .captions import caption
from .frozen import SIDES, FrozenModel, batch_of, denoising_loss, encode_pictures, optimise
from .parts import Unet, UNet2DConditionModel
from .scenes import Scene, render, sample_scene
from .text import encode_captions
from .vocabulary import Concept

#: Share of samples whose mask covers everything, as in txt2img.
WHOLE_SHARE = 0.2
GREY = (128, 128, 128)
#: The first convolution, of which half is new, learns so much faster than the rest.
EAGER = 50
#: Masks made for one scene.
MASKS = 3


@dataclass(frozen=True)
class InpaintingRun:
    """Length of the training, latents' sides, scenes of each, peak of the rate, and the seed."""

    steps: int = 160
    sides: tuple[int, ...] = SIDES
    scenes: int = 48
    rate: float = 1e-4
    seed: int = 91


@dataclass(frozen=True)
class MaskedScene:
    """Latents of a scene (4, side, side), and what the U-Net may see of it (5, side, side)."""

    scene: Scene
    latents: Tensor
    seen: Tensor


def widen(unet: Unet) -> Unet:
    """A copy of ``unet`` with five more input channels, which have no effect yet."""
    config = {key: value for key, value in unet.config.items() if key != "_name_or_path"}
    wide = UNet2DConditionModel.from_config(config | {"in_channels": config["in_channels"] * 2 + 1})
    weights = unet.state_dict()
    first = weights["conv_in.weight"]
    weights["conv_in.weight"] = torch.cat([first, torch.zeros(len(first), 5, *first.shape[2:])], dim=1)
    wide.load_state_dict(weights)
    return wide.to(memory_format=torch.channels_last)


def random_mask(rng: random.Random, pixels: int) -> Image.Image:
    """A square greyscale mask, white where to paint: a rectangle, an ellipse, a half, or everything."""
    kind = "whole" if rng.random() < WHOLE_SHARE else rng.choice(["rectangle", "ellipse", "half"])
    mask = Image.new("L", (pixels, pixels), 255 if kind == "whole" else 0)
    drawing = ImageDraw.Draw(mask)
    if kind == "half":
        cut = round(pixels * rng.uniform(0.3, 0.7))
        drawing.rectangle((0, 0, cut, pixels) if rng.random() < 0.5 else (0, 0, pixels, cut), fill=255)
        return mask.rotate(rng.choice([0, 180]))
    left, top = (round(pixels * rng.uniform(0.0, 0.6)) for _ in range(2))
    width, height = (round(pixels * rng.uniform(0.25, 0.7)) for _ in range(2))
    draw = drawing.ellipse if kind == "ellipse" else drawing.rectangle
    draw((left, top, left + width, top + height), fill=255)
    return mask


def what_is_seen(model: FrozenModel, picture: Image.Image, mask: Image.Image) -> Tensor:
    """(5, side, side): the mask, and the latents of ``picture`` with grey under it. The server's own rule."""
    grey = Image.composite(Image.new("RGB", picture.size, GREY), picture, mask)
    latents = encode_pictures(model, [grey])[0]
    small = mask.resize((latents.shape[2], latents.shape[1]), Image.Resampling.NEAREST)
    covered = torch.from_numpy(np.asarray(small, dtype=np.float32) / 255)
    return torch.cat([covered[None], latents])


def masked_scenes(model: FrozenModel, scenes: list[Scene], side: int, seed: int) -> list[MaskedScene]:
    """Scenes with several masks each, encoded as latents of ``side`` x ``side``."""
    rng = random.Random(seed)
    shelf = []
    for scene in scenes:
        picture = render(scene, 8 * side)
        latents = encode_pictures(model, [picture])[0]
        for _ in range(MASKS):
            seen = what_is_seen(model, picture, random_mask(rng, 8 * side))
            shelf.append(MaskedScene(scene, latents, seen))
    return shelf


def train_inpainting(
    model: FrozenModel, concepts: list[Concept], target: Path, run: InpaintingRun | None = None
) -> Path:
    """Train the variant and write it to the folder ``target``; its other parts are the model's own."""
    run = run or InpaintingRun()
    rng = random.Random(run.seed)
    torch.manual_seed(run.seed)
    scenes = [sample_scene(rng, concepts) for _ in range(run.scenes)]
    shelves = {side: masked_scenes(model, scenes, side, run.seed) for side in run.sides}
    wide = replace(model, unet=widen(model.unet))
    eager: list[nn.Parameter] = [wide.unet.conv_in.weight]
    others = [weight for weight in wide.unet.parameters() if weight is not eager[0]]
    for number, step in enumerate(optimise({EAGER * run.rate: eager, run.rate: others}, run.steps)):
        side = run.sides[number % len(run.sides)]
        chosen = rng.choices(shelves[side], k=batch_of(side))
        with torch.no_grad():
            captions = [caption(rng, one.scene.topic) for one in chosen]
            states = encode_captions(model.tokenizer, model.encoder, captions)
        latents, seen = (torch.stack([getattr(one, name) for one in chosen]) for name in ("latents", "seen"))
        step(denoising_loss(wide, latents, states, seen))
    save_variant(model, wide.unet, target)
    return target


def save_variant(model: FrozenModel, unet: Unet, target: Path) -> None:
    """The model's folder with another U-Net in half precision; weights of the copies are the same files."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(model.folder, target, ignore=shutil.ignore_patterns("unet"))
    unet.half().save_pretrained(target / "unet")
