"""Pictures on their way into latents: init images, masks, and what inpainting and edit models are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from sdapi_compat.engine.asks import EncodeImage
from sdapi_compat.engine.guided import Blend
from sdapi_compat.imaging import masks, pixels
from sdapi_compat.plan.rules import TINY_VAE
from sdapi_compat.sampling.noise import ImageNoise, NoiseSeeds

if TYPE_CHECKING:
    from collections.abc import Generator

    from PIL import Image
    from torch import Tensor

    from sdapi_compat.engine.asks import Ask
    from sdapi_compat.engine.facts import ModelFacts
    from sdapi_compat.plan.plan import ModelChoice, Plan, Source

LATENT_NOISE, LATENT_NOTHING = 2, 3


class Prepared(NamedTuple):
    """Clean latents (B, C, h, w) to start from, how to blend them in, and the model's extra channels."""

    clean: Tensor | None
    blend: Blend | None
    extra: Tensor | None


class PictureEncoder:
    """Turns pictures of a batch into latents for one model.

    `noise` is what the encoder draws from, in the order of the asks; the passes of a batch share it.
    """

    def __init__(self, plan: Plan, facts: ModelFacts, noise: torch.Generator) -> None:
        self._plan = plan
        self._facts = facts
        self._noise = noise

    @property
    def model(self) -> ModelChoice:
        """The model the latents are for."""
        return self._facts.model

    @property
    def shows_pictures(self) -> bool:
        """Whether a hires pass shows the model what the first pass made.

        A1111 1.10.1 behaviour: an inpainting model sees it where the option inpainting_mask_weight leaves
        something to see.
        """
        return self._facts.conditioning == "inpaint" and self._plan.mask_weight < 1

    def source(self, source: Source, seeds: tuple[int, ...]) -> Generator[Ask, Any, Prepared]:
        """The init images of a batch. One picture serves the whole batch."""
        images = np.stack([pixels.to_array(picture.to_pil()) for picture in source.pictures])
        clean = yield from self.encode(torch.from_numpy(images))
        clean = clean.expand(len(seeds), -1, -1, -1) if clean.shape[0] == 1 else clean
        if source.resize_latent:
            cells = (self._plan.height // 8, self._plan.width // 8)
            clean = torch.nn.functional.interpolate(clean, size=cells, mode="bilinear")
        blend = None
        if source.mask is not None:
            blend, clean = self._masked(source, clean, seeds)
        extra = yield from self._extra(source, images, seeds)
        return Prepared(clean, blend, extra)

    def encode(self, images: Tensor) -> Generator[Ask, Any, Tensor]:
        """Pictures (N, 3, H, W) in [-1, 1] to latents."""
        tiny = self._plan.vae_methods.encode == TINY_VAE
        latents: Tensor = yield self._sampled(images, tiny=tiny)
        return latents

    def _sampled(self, images: Tensor, *, tiny: bool) -> EncodeImage:
        return EncodeImage(self._facts.model, images, self._noise, self._plan.tiling, tiny)

    def _masked(self, source: Source, clean: Tensor, seeds: tuple[int, ...]) -> tuple[Blend, Tensor]:
        mask = source.latent_mask or source.mask
        assert mask is not None
        height, width = clean.shape[2:]
        cells = masks.latent_mask(mask.to_pil(), width, height, rounded=source.mask_round)
        paint = torch.from_numpy(cells).to(clean.device)
        if source.fill == LATENT_NOISE:
            noise = ImageNoise(
                (clean.shape[1], height, width),
                NoiseSeeds(seeds=seeds, source=self._plan.noise.source),
                clean.device,
            )
            clean = clean * (1 - paint) + noise.first() * paint
        elif source.fill == LATENT_NOTHING:
            clean = clean * (1 - paint)
        return Blend(clean, paint), clean

    def _extra(
        self, source: Source, images: np.ndarray[Any, Any], seeds: tuple[int, ...]
    ) -> Generator[Ask, Any, Tensor | None]:
        if self._facts.conditioning == "edit":
            modes = yield EncodeImage(self._facts.model, torch.from_numpy(images), None, self._plan.tiling)
            return _per_image(modes, len(seeds))
        if self._facts.conditioning != "inpaint":
            return None
        mask = None if source.mask is None else source.mask.to_pil()
        extra = yield from self.shown(images, mask, rounded=source.mask_round)
        return _per_image(extra, len(seeds))

    def shown(
        self, images: np.ndarray[Any, Any], mask: Image.Image | None = None, *, rounded: bool = True
    ) -> Generator[Ask, Any, Tensor]:
        """What an inpainting model is shown of pictures (N, 3, H, W) in [-1, 1]: (N, 5, H/8, W/8).

        `mask` None: all is to be painted.
        """
        weight = self._plan.mask_weight
        pairs = [masks.conditioning(image, mask, weight, rounded=rounded) for image in images]
        blanked = torch.from_numpy(np.stack([blank for _, blank in pairs]))
        # A1111 1.10.1 behaviour: what an inpainting model is shown goes through the VAE itself.
        latents = yield self._sampled(blanked, tiny=False)
        painted = torch.from_numpy(np.stack([paint for paint, _ in pairs])).to(latents.device)
        cells = torch.nn.functional.interpolate(painted, size=latents.shape[2:])
        return torch.cat([cells, latents], dim=1)

    def nothing(self, batch: int, cells: tuple[int, int]) -> Generator[Ask, Any, Prepared]:
        """What a txt2img pass starts from: noise alone; models with extra channels are shown no picture."""
        extra = yield from self.blank(batch, cells)
        return Prepared(None, None, extra)

    def blank(self, batch: int, cells: tuple[int, int]) -> Generator[Ask, Any, Tensor | None]:
        """What a txt2img pass shows a model with extra channels, (B, c, h, w).

        A1111 1.10.1 behaviour: an inpainting model sees a grey picture that is all to be painted, encoded
        once for each image; an edit model sees nothing.
        """
        height, width = cells
        if self._facts.conditioning == "edit":
            return torch.zeros((batch, self._facts.latent_channels, height, width), device=self._facts.device)
        if self._facts.conditioning != "inpaint":
            return None
        grey = torch.zeros((1, 3, height * 8, width * 8)).expand(batch, -1, -1, -1)
        latents = yield from self.encode(grey)
        painted = torch.ones((batch, 1, height, width), device=latents.device)
        return torch.cat([painted, latents], dim=1)


def _per_image(tensor: Tensor, batch: int) -> Tensor:
    return tensor.expand(batch, -1, -1, -1) if tensor.shape[0] == 1 else tensor
