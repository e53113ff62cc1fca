"""A LoRA that turns what the model draws into night: dim, bluish, the background dark. In kohya's format.

The captions say nothing of the style; what the pictures have in common goes into the LoRA.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from .frozen import SIDES, FrozenModel, SceneShelf, batch_of, denoising_loss, optimise
from .scenes import Scene, render
from .text import encode_captions
from .vocabulary import Concept

#: How bright red, green and blue of the glyph are at night.
LIGHT = (0.55, 0.62, 0.95)
#: The sky, RGB 0..255, and how much of the background's own colour is left before it.
SKY, LEFT = (8, 12, 40), 0.12
RANK = 4
#: Convolutions of the U-Net that are changed, besides its linear layers but those of :data:`LEFT_OUT`.
CONVOLUTIONS = ("conv_in", "conv_out", "proj_in", "proj_out", "conv_shortcut")
#: The feed-forward networks would make more than a third of the file.
LEFT_OUT = ".ff."


@dataclass(frozen=True)
class StyleRun:
    """Length of the training, how many scenes of each size it sees, the peak of the rate, and the seed."""

    steps: int = 160
    scenes: int = 48
    rate: float = 1e-3
    sides: tuple[int, ...] = SIDES
    seed: int = 71


def at_night(scene: Scene, pixels: int) -> Image.Image:
    """The scene as it would look at night: an RGB picture of ``pixels`` x ``pixels``."""
    red, green, blue = (round(sky + LEFT * part) for sky, part in zip(SKY, scene.rgb, strict=True))
    lit = np.asarray(render(replace(scene, rgb=(red, green, blue)), pixels), dtype=np.float32)
    return Image.fromarray((lit * np.array(LIGHT, dtype=np.float32)).round().astype(np.uint8))


class LowRank(nn.Module):
    """up(down(x)) beside a layer of the U-Net; zero at first."""

    def __init__(self, layer: nn.Linear | nn.Conv2d) -> None:
        super().__init__()
        self.down: nn.Linear | nn.Conv2d
        self.up: nn.Linear | nn.Conv2d
        if isinstance(layer, nn.Linear):
            self.down = nn.Linear(layer.in_features, RANK, bias=False)
            self.up = nn.Linear(RANK, layer.out_features, bias=False)
        else:
            size, step, padding = layer.kernel_size, layer.stride, layer.padding
            self.down = nn.Conv2d(layer.in_channels, RANK, size, step, padding, bias=False)  # type: ignore[arg-type]
            self.up = nn.Conv2d(RANK, layer.out_channels, 1, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, inputs: Tensor) -> Tensor:
        """What is added to the layer's output."""
        added: Tensor = self.up(self.down(inputs))
        return added


class Adapter:
    """Low-rank changes to the layers of a model's U-Net, in effect while it is attached."""

    def __init__(self, model: FrozenModel) -> None:
        torch.manual_seed(73)
        self.layers = {path: layer for path, layer in model.unet.named_modules() if _is_changed(path, layer)}
        self.changes = {path: LowRank(layer) for path, layer in self.layers.items()}

    def parameters(self) -> list[nn.Parameter]:
        """The weights to train."""
        return [weight for change in self.changes.values() for weight in change.parameters()]

    @contextmanager
    def attached(self) -> Iterator[None]:
        """While open, the U-Net computes with the changes."""
        with ExitStack() as stack:
            for path, layer in self.layers.items():
                hook = layer.register_forward_hook(_adding(self.changes[path]))
                stack.callback(hook.remove)
            yield

    def tensors(self) -> dict[str, Tensor]:
        """The changes by kohya's names, in half precision."""
        named: dict[str, Tensor] = {}
        for path, change in self.changes.items():
            name = "lora_unet_" + path.replace(".", "_")
            named[f"{name}.lora_down.weight"] = change.down.weight.detach().half().contiguous()
            named[f"{name}.lora_up.weight"] = change.up.weight.detach().half().contiguous()
            named[f"{name}.alpha"] = torch.tensor(float(RANK))
        return named


def _is_changed(path: str, layer: nn.Module) -> bool:
    if isinstance(layer, nn.Conv2d):
        return path.split(".")[-1] in CONVOLUTIONS
    return isinstance(layer, nn.Linear) and LEFT_OUT not in path


def _adding(change: LowRank) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
    def hook(_layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        added: Tensor = change(inputs[0])
        return output + added

    return hook


def train_style(
    model: FrozenModel, concepts: list[Concept], target: Path, run: StyleRun | None = None
) -> Path:
    """Train the night and write it to ``target``, a .safetensors whose stem is its name in prompts."""
    run = run or StyleRun()
    torch.manual_seed(run.seed)
    shelf = SceneShelf(model, concepts, run.seed, at_night)
    for side in sorted(set(run.sides)):
        shelf.fill(side, run.scenes)
    adapter = Adapter(model)
    with adapter.attached():
        for number, step in enumerate(optimise({run.rate: adapter.parameters()}, run.steps)):
            side = run.sides[number % len(run.sides)]
            latents, captions = shelf.draw(side, batch_of(side))
            with torch.no_grad():
                states = encode_captions(model.tokenizer, model.encoder, captions)
            step(denoising_loss(model, latents, states))
    target.parent.mkdir(parents=True, exist_ok=True)
    save_file(adapter.tensors(), target, metadata=_metadata(target.stem, model, run))
    return target


def _metadata(name: str, model: FrozenModel, run: StyleRun) -> dict[str, str]:
    """What kohya's scripts write about a training, as far as it was one of theirs."""
    pixels = 8 * max(run.sides)
    return {
        "ss_output_name": name,
        "ss_sd_model_name": model.name,
        "ss_base_model_version": "sd_v1",
        "ss_v2": "False",
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(RANK),
        "ss_network_alpha": str(float(RANK)),
        "ss_learning_rate": str(run.rate),
        "ss_steps": str(run.steps),
        "ss_seed": str(run.seed),
        "ss_resolution": f"({pixels}, {pixels})",
        "ss_num_train_images": str(run.scenes * len(set(run.sides))),
        "ss_tag_frequency": json.dumps({name: {name: run.scenes * len(set(run.sides))}}),
    }
