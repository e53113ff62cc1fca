"""From the latents of the first pass to those the hires pass starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from sdapi_compat.engine.asks import Decode
from sdapi_compat.engine.pictures import Prepared
from sdapi_compat.imaging import pixels
from sdapi_compat.imaging.resize import STRETCH, resize
from sdapi_compat.imaging.upscalers import LATENT_MODES, UpscalerList

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from PIL import Image
    from torch import Tensor

    from sdapi_compat.engine.asks import Ask
    from sdapi_compat.engine.pictures import PictureEncoder
    from sdapi_compat.plan.plan import Hires, ModelChoice, Plan

LATENT_CELL = 8


class Enlarger:
    """Makes the first pass's latents larger, by its pictures for a pixel upscaler.

    `kept`: the pictures of the first pass, where they are to be saved.
    """

    def __init__(self, plan: Plan, hires: Hires) -> None:
        self._plan = plan
        self._hires = hires
        self.kept: Sequence[Image.Image] = ()
        self._enlarged: Tensor | None = None

    def look(self, model: ModelChoice, latents: Tensor) -> Generator[Ask, Any, None]:
        """Decode what `model` made, if pictures of it are needed, and enlarge it for a pixel upscaler."""
        hires, keep = self._hires, self._plan.save.samples and self._plan.save.before_hires
        if self.by_latents and not keep:
            return
        decoded = yield Decode(model, latents, self._plan.tiling, self._plan.decoding)
        made = pixels.to_images(np.asarray(decoded.cpu()))
        self.kept = made if keep else ()
        if self.by_latents:
            return
        upscaler, target = UpscalerList().require(hires.upscaler), hires.target
        images = [resize(STRETCH, image, target.width, target.height, upscaler) for image in made]
        self._enlarged = torch.from_numpy(np.stack([pixels.to_array(image) for image in images]))

    @property
    def by_latents(self) -> bool:
        """Whether latents are enlarged as they are."""
        return self._hires.upscaler in LATENT_MODES

    def source(self, encoder: PictureEncoder, latents: Tensor) -> Generator[Ask, Any, Prepared]:
        """What the second pass starts from, for the model of `encoder`; `latents`: those of the first."""
        if self._enlarged is None:
            larger = self._interpolated(latents)
        else:
            larger = yield from encoder.encode(self._enlarged)
        rows, columns = self._hires.target.window(larger.shape[2], larger.shape[3])
        clean = larger[:, :, rows, columns]
        if not encoder.shows_pictures:
            extra = yield from encoder.blank(clean.shape[0], (clean.shape[2], clean.shape[3]))
            return Prepared(clean, None, extra)
        seen = self._enlarged
        if seen is None:
            seen = yield Decode(encoder.model, larger, self._plan.tiling, self._plan.decoding)
        shown = yield from encoder.shown(np.asarray(seen.cpu()))
        return Prepared(clean, None, shown[:, :, rows, columns])

    def _interpolated(self, latents: Tensor) -> Tensor:
        mode, target = LATENT_MODES[self._hires.upscaler], self._hires.target
        cells = (target.height // LATENT_CELL, target.width // LATENT_CELL)
        return torch.nn.functional.interpolate(latents, size=cells, mode=mode.mode, antialias=mode.antialias)
