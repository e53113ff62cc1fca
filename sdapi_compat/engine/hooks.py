"""What extensions may put into the run of a plan: functions that see or replace latents, mixes and masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor


class Blending(NamedTuple):
    """Inpainting, at one model call: new latents are to be mixed with those of the picture.

    `clean`: the picture's latents, `latents`: the new ones, both float32 (B, C, h, w). `paint`: float32
    (h, w), 1 where new content goes. `level`: sigma, or the time for samplers that count by it.
    """

    clean: Tensor
    latents: Tensor
    paint: Tensor
    level: float


class Sampled(NamedTuple):
    """Inpainting, after the last step: the finished latents of a batch beside those of the picture.

    As in `Blending`; `size` is (width, height) of the pictures in pixels.
    """

    clean: Tensor
    latents: Tensor
    paint: Tensor
    size: tuple[int, int]


DenoisedHook: TypeAlias = "Callable[[Tensor, float], Tensor]"
BlendHook: TypeAlias = "Callable[[Blending], Tensor]"
OverlayHook: TypeAlias = "Callable[[Sampled], Sequence[Image.Image]]"


@dataclass(frozen=True)
class Hooks:
    """The functions for one plan. They see the rows of its own job, also where jobs share a forward.

    `denoised`: each sees (latents, sigma) after every guided call and gives what takes their place. `blend`:
    mixes at every call in place of the plain mix by `paint`; then nothing is mixed after the last step.
    `overlay`: gives one "L" mask per image of the batch, white where the new picture shows.
    """

    denoised: Sequence[DenoisedHook] = ()
    blend: BlendHook | None = None
    overlay: OverlayHook | None = None
