"""A finished model folder to build on: its parts frozen, in float32, and the loss it was trained with."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from .autoencoder import pictures_to_tensor
from .captions import caption
from .diffusion import GUIDANCE
from .noise import guided, training_noise
from .parts import (
    Autoencoder,
    AutoencoderKL,
    CLIPTextModel,
    CLIPTokenizer,
    DDPMScheduler,
    Scheduler,
    TextEncoder,
    Tokenizer,
    Unet,
    UNet2DConditionModel,
)
from .scenes import Scene, render, sample_scene
from .text import encode_captions
from .vocabulary import Concept

#: Share of a training in which the learning rate rises.
WARM = 0.1
#: How a scene becomes a square picture of so many pixels.
Paint = Callable[[Scene, int], Image.Image]
#: Sides of the latents of trainings, in turns: pictures of 256 and 512 pixels.
SIDES = (32, 64)
#: Cells of latents in one step: small pictures come in larger batches.
CELLS = 8192


@dataclass(frozen=True)
class FrozenModel:
    """The parts of a diffusers folder; none of their weights takes gradients."""

    folder: Path
    tokenizer: Tokenizer
    encoder: TextEncoder
    unet: Unet
    vae: Autoencoder
    scheduler: Scheduler

    @property
    def name(self) -> str:
        """The folder's name, which the files made from it begin with."""
        return self.folder.name


def load_frozen(folder: Path) -> FrozenModel:
    """The model in ``folder`` on the CPU, in float32 whatever the folder holds."""
    parts = {
        name: _still(kind.from_pretrained(folder / name, torch_dtype=torch.float32))
        for name, kind in (
            ("text_encoder", CLIPTextModel),
            ("unet", UNet2DConditionModel),
            ("vae", AutoencoderKL),
        )
    }
    return FrozenModel(
        folder=folder,
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        encoder=parts["text_encoder"],
        unet=parts["unet"].to(memory_format=torch.channels_last),
        vae=parts["vae"].to(memory_format=torch.channels_last),
        scheduler=DDPMScheduler.from_pretrained(folder / "scheduler"),
    )


def _still(module: Any) -> Any:
    return module.requires_grad_(False).eval()


def read_config(folder: Path, part: str) -> dict[str, Any]:
    """The config.json of a part."""
    loaded: dict[str, Any] = json.loads((folder / part / "config.json").read_text(encoding="utf-8"))
    return loaded


def encode_pictures(model: FrozenModel, pictures: Sequence[Image.Image]) -> Tensor:
    """Scaled latents (n, 4, side, side) of square RGB pictures of one size."""
    with torch.no_grad():
        pixels = pictures_to_tensor(pictures).to(memory_format=torch.channels_last)
        latents: Tensor = model.vae.encode(pixels).latent_dist.mean * model.vae.config.scaling_factor
    return latents.contiguous()


def predict(
    model: FrozenModel, noisy: Tensor, times: Tensor, states: Tensor, extra: Tensor | None = None
) -> Tensor:
    """What the U-Net says of ``noisy`` latents (n, 4, side, side) at the guidance scale it was trained for.

    ``states``: (n, 77, width). ``extra``: more input channels (n, c, side, side), which stay without noise.
    Gradients flow through both sides: what changes the U-Net's layers changes the blank one, too, and would
    tear pictures apart if only the prompt's side were heeded.
    """
    inputs = noisy if extra is None else torch.cat([noisy, extra], dim=1)
    inputs = inputs.to(memory_format=torch.channels_last)
    nothing = encode_captions(model.tokenizer, model.encoder, [""]).expand_as(states)
    without: Tensor = model.unet(inputs, times, nothing).sample
    return guided(model.unet(inputs, times, states).sample, without, GUIDANCE)


def denoising_loss(
    model: FrozenModel, latents: Tensor, states: Tensor, extra: Tensor | None = None
) -> Tensor:
    """Mean squared error of :func:`predict` at random times, for clean scaled ``latents``."""
    times = torch.randint(model.scheduler.config.num_train_timesteps, (len(latents),))
    noise = training_noise(latents)
    noisy = model.scheduler.add_noise(latents, noise, times)
    if model.scheduler.config.prediction_type == "v_prediction":
        target = model.scheduler.get_velocity(latents, noise, times)
    else:
        target = noise
    # As when the model was trained: gradients would count GUIDANCE-fold.
    loss: Tensor = (predict(model, noisy, times, states, extra) - target).square().mean() / GUIDANCE
    return loss


def batch_of(side: int) -> int:
    """How many scenes one step takes."""
    return max(1, CELLS // side**2)


class SceneShelf:
    """Scenes encoded once, as ``paint`` shows them; captions are made at every draw."""

    def __init__(self, model: FrozenModel, concepts: list[Concept], seed: int, paint: Paint = render) -> None:
        self._model = model
        self._concepts = concepts
        self._paint = paint
        self._rng = random.Random(seed)
        self._kept: dict[int, list[tuple[Scene, Tensor]]] = {}

    def fill(self, side: int, count: int) -> None:
        """Encode ``count`` scenes more as latents of ``side`` x ``side``."""
        kept = self._kept.setdefault(side, [])
        for _ in range(count):
            scene = sample_scene(self._rng, self._concepts)
            picture = self._paint(scene, 8 * side)
            kept.append((scene, encode_pictures(self._model, [picture])[0]))

    def draw(self, side: int, count: int) -> tuple[Tensor, list[str]]:
        """Latents (count, 4, side, side) and their captions."""
        chosen = self._rng.choices(self._kept[side], k=count)
        return torch.stack([latent for _, latent in chosen]), [
            caption(self._rng, scene.topic) for scene, _ in chosen
        ]


def optimise(
    groups: Mapping[float, Sequence[nn.Parameter]], steps: int
) -> Iterator[Callable[[Tensor], None]]:
    """``steps`` times a function that takes a loss and makes one step.

    ``groups``: weights by the peak of their learning rate, which rises to it and then falls to 0.
    """
    parameters = [weight for group in groups.values() for weight in group]
    optimizer = torch.optim.AdamW(
        [{"params": group, "peak": peak} for peak, group in groups.items()],
        betas=(0.9, 0.99),
        weight_decay=0.0,
    )

    def step(loss: Tensor) -> None:
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()

    for number in range(steps):
        share = (number + 0.5) / steps
        height = min(1.0, share / WARM) * (1 + math.cos(math.pi * share)) / 2
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * height
        yield step
