"""Soft inpainting: masks with grey in them mix new and old content by degrees, without seams.

After A1111 1.10.1's built-in extension of this name. At each step latents are mixed so that their strength,
not only their mean, goes over from old to new; at the end the new picture shows where it differs enough.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np
from PIL import Image, ImageFilter

from sdapi_compat.imaging.resize import FILL, resize
from sdapi_compat.scripting import Blending, Draft, Extension, Sampled, argument

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    Float = NDArray[np.float64]

Number = int | float
"""As sent: the infotext shows 1 as 1 and 1.0 as 1.0."""

LEAST_LENGTH = 1e-5
BELOW_ONE = 1.00001
NEIGHBOURS = 2
SPREAD = 1.5
EDGE_BLUR = 4
# Shares of a neighbourhood whose mean is taken, one after the other: its far end, then its middle.
SHARES = ((0.9, 1.0), (0.25, 0.75))


class SoftArguments(msgspec.Struct):
    """As in A1111 1.10.1, in this order."""

    enabled: Annotated[bool, argument("Soft inpainting")] = False
    power: Annotated[Number, argument("Schedule bias", minimum=0, maximum=8, step=0.1)] = 1
    scale: Annotated[Number, argument("Preservation strength", minimum=0, maximum=8, step=0.05)] = 0.5
    detail: Annotated[Number, argument("Transition contrast boost", minimum=1, maximum=32, step=0.5)] = 4
    influence: Annotated[Number, argument("Mask influence", minimum=0, maximum=1, step=0.05)] = 0
    threshold: Annotated[Number, argument("Difference threshold", minimum=0, maximum=8, step=0.25)] = 0.5
    contrast: Annotated[Number, argument("Difference contrast", minimum=0, maximum=8, step=0.25)] = 2

    def infotext(self) -> dict[str, Any]:
        """The pairs of the infotext, in the original's order."""
        return {
            "Soft inpainting enabled": True,
            "Soft inpainting schedule bias": self.power,
            "Soft inpainting preservation strength": self.scale,
            "Soft inpainting transition contrast boost": self.detail,
            "Soft inpainting mask influence": self.influence,
            "Soft inpainting difference threshold": self.threshold,
            "Soft inpainting difference contrast": self.contrast,
        }


class SoftInpainting(Extension):
    """Does nothing unless it is enabled and there is a mask."""

    title = "Soft inpainting"
    kinds = frozenset({"img2img"})
    Arguments = SoftArguments

    def on_draft(self, draft: Draft, arguments: SoftArguments) -> Draft:
        """The greys of the mask are kept."""
        if not arguments.enabled or draft.picture is None:
            return draft
        return draft.change(picture=msgspec.structs.replace(draft.picture, mask_round=False))

    def on_plan(self, plan: Any, arguments: SoftArguments) -> Any:
        """The infotext says so."""
        if not _active(plan, arguments):
            return plan
        report = msgspec.structs.replace(plan.report, extra=arguments.infotext() | plan.report.extra)
        return msgspec.structs.replace(plan, report=report)

    def on_blend(self, plan: Any, arguments: SoftArguments) -> Callable[[Blending], Tensor] | None:
        """The mix of each step."""
        return partial(blend, arguments) if _active(plan, arguments) else None

    def on_overlay(
        self, plan: Any, arguments: SoftArguments
    ) -> Callable[[Sampled], list[Image.Image]] | None:
        """Where the new picture shows."""
        return partial(overlay_masks, arguments) if _active(plan, arguments) else None


def _active(plan: Any, arguments: SoftArguments) -> bool:
    return arguments.enabled and plan.source is not None and plan.source.mask is not None


def blend(arguments: SoftArguments, mix: Blending) -> Tensor:
    """Latents between the picture's and the new ones, float32 (B, C, h, w).

    The share of the new, t = paint ^ (level^power * scale), is the smaller the more noise there is: what is
    grey in the mask stays old in early steps. The direction of a latent cell is that of the linear mix, its
    length the power mean of both lengths with exponent `detail`, so that details outlast the mixing.
    """
    share = mix.paint ** (mix.level**arguments.power * arguments.scale)
    mixed = mix.clean * (1 - share) + mix.latents * share
    kept, new = (_length(one) ** arguments.detail for one in (mix.clean, mix.latents))
    wanted = (kept * (1 - share) + new * share) ** (1 / arguments.detail)
    factor = wanted / (_length(mixed) + LEAST_LENGTH)
    return mixed * factor.to(mixed.dtype)


def _length(latents: Tensor) -> Tensor:
    # In 64 bits, for the sake of large exponents.
    length: Tensor = latents.norm(p=2, dim=1, keepdim=True).double()
    return length


def overlay_masks(arguments: SoftArguments, done: Sampled) -> list[Image.Image]:
    """A mask "L" of the pictures' size for each image: white where it differs clearly from the original."""
    paint = done.paint.clamp(0, 1).cpu().numpy().astype(np.float64)
    distances = (done.latents - done.clean).norm(p=2, dim=1).cpu().numpy().astype(np.float64)
    half = half_distance(arguments, paint)
    return [_mask(opacity(arguments, one, half), done.size) for one in distances]


def half_distance(arguments: SoftArguments, paint: Float) -> Float:
    """The distance (h, w) at which a cell shows half the new picture; `influence` lets the mask lower it."""
    by_mask = 1 - paint ** (arguments.scale / 2)
    stubborn = 0.5 * (1 - arguments.influence) + by_mask * arguments.influence
    return np.asarray(arguments.threshold * stubborn / (BELOW_ONE - stubborn))


def opacity(arguments: SoftArguments, distance: Float, half: Float) -> Float:
    """How much of the new picture shows, (h, w) in [0, 1]."""
    for low, high in SHARES:
        distance = neighbourhood_mean(distance, low, high)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        original = 1 / (1 + np.nan_to_num(distance / half) ** arguments.contrast)
    original = np.clip(original, 0, 1)
    return 1 - original**3 * (original * (original * 6 - 15) + 10)


def neighbourhood_mean(values: Float, low: float, high: float, least: float = 1.0) -> Float:
    """For each cell the mean of its neighbours between two shares of their sorted weights.

    Weights fall with the distance, see `weight`; beyond the edge there are none. A share narrower than
    `least` is widened about its middle, as far as there are weights.
    """
    height, width = values.shape
    padded, inside = (np.pad(one, NEIGHBOURS) for one in (values, np.ones_like(values)))
    places = [(y, x) for y in range(2 * NEIGHBOURS + 1) for x in range(2 * NEIGHBOURS + 1)]
    near = np.stack([padded[y : y + height, x : x + width] for y, x in places])
    weights = np.stack([inside[y : y + height, x : x + width] * weight(y, x) for y, x in places])
    order = near.argsort(axis=0)
    near, weights = (np.take_along_axis(one, order, axis=0) for one in (near, weights))
    upper = weights.cumsum(axis=0)
    start, end = _window(upper[-1], low, high, least)
    counted = np.clip(np.minimum(upper, end) - np.maximum(upper - weights, start), 0, None)
    return np.asarray((near * counted).sum(axis=0) / counted.sum(axis=0))


def weight(y: int, x: int) -> float:
    """A Gaussian about the middle of the neighbourhood, lowered so that it ends in 0 one cell beyond."""
    floor = math.exp(-((NEIGHBOURS + 1) ** 2) / SPREAD**2)
    squared = (y - NEIGHBOURS) ** 2 + (x - NEIGHBOURS) ** 2
    return max(0.0, (math.exp(-squared / SPREAD**2) - floor) / (1 - floor))


def _window(total: Float, low: float, high: float, least: float) -> tuple[Float, Float]:
    width = np.minimum(np.maximum((high - low) * total, least), total)
    start = np.clip((low + high) / 2 * total - width / 2, 0, total - width)
    return start, start + width


def _mask(shown: Float, size: tuple[int, int]) -> Image.Image:
    small = Image.fromarray((255 * shown).astype(np.uint8))
    return resize(FILL, small, *size).convert("L").filter(ImageFilter.GaussianBlur(EDGE_BLUR))


EXTENSION = SoftInpainting()
