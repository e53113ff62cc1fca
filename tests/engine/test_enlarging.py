"""What the hires pass starts from, and what it shows an inpainting model, ask by ask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from torch import Tensor

from sdapi_compat.engine.asks import Decode, EncodeImage
from sdapi_compat.engine.enlarging import Enlarger
from sdapi_compat.engine.facts import ModelFacts
from sdapi_compat.engine.pictures import PictureEncoder
from sdapi_compat.imaging.wire import ImageLimits
from sdapi_compat.options.snapshot import Snapshot
from sdapi_compat.plan.build import build
from sdapi_compat.plan.draft import Limits, from_txt2img
from sdapi_compat.plan.plan import ModelChoice, Plan
from sdapi_compat.plan.world import World
from sdapi_compat.prompt.styles import StyleBook
from sdapi_compat.schema.txt2img import StableDiffusionProcessingTxt2Img

FIRST, SECOND = ModelChoice("first"), ModelChoice("second")
NOTHING = ModelFacts(**dict.fromkeys(ModelFacts._fields))
LEVEL = 0.5
"""Every pixel the model makes, in [-1, 1]."""


class Shelf:
    """One checkpoint."""

    def configured(self, snapshot: Snapshot) -> ModelChoice:
        """Always the same."""
        return FIRST

    def named(self, text: str, snapshot: Snapshot) -> tuple[ModelChoice, str]:
        """The same by every name."""
        return FIRST, text

    def vae_names(self) -> list[str]:
        """No VAE."""
        return []

    def has_network(self, kind: str, name: str) -> bool:
        """No network."""
        return False


@pytest.fixture
def plan_of(tmp_path: Path) -> Callable[..., Plan]:
    """A plan of two pictures of 64x64 with a hires pass; `weight`: option inpainting_mask_weight."""
    world = World(Shelf(), StyleBook([]), tmp_path, 128, False, False, True)

    def make(weight: float = 1.0, **fields: Any) -> Plan:
        body = {
            "width": 64,
            "height": 64,
            "seed": 5,
            "batch_size": 2,
            "enable_hr": True,
            "denoising_strength": 0.5,
        }
        request = msgspec.convert(body | fields, StableDiffusionProcessingTxt2Img)
        snapshot = Snapshot({"inpainting_mask_weight": weight})
        return build(from_txt2img(request, snapshot, Limits(ImageLimits(1024 * 1024), 2048)), snapshot, world)

    return make


class Vae:
    """Answers what is asked of a VAE; latents are the means of 8x8 pixels, in four channels."""

    def __init__(self) -> None:
        self.asks: list[Any] = []

    def run(self, body: Any) -> Any:
        """A body's result."""
        answer = None
        while True:
            try:
                ask = body.send(answer)
            except StopIteration as stop:
                return stop.value
            self.asks.append(ask)
            answer = self._answer(ask)

    def _answer(self, ask: Decode | EncodeImage) -> Tensor:
        if isinstance(ask, Decode):
            count, _, height, width = ask.latents.shape
            return torch.full((count, 3, 8 * height, 8 * width), LEVEL)
        assert ask.noise is not None
        means = torch.nn.functional.avg_pool2d(ask.images.mean(1, keepdim=True), 8).expand(-1, 4, -1, -1)
        return torch.cat([mean + torch.rand(1, generator=ask.noise) for mean in means.split(1)])

    @property
    def kinds(self) -> str:
        """The asks, d for decode and e for encode."""
        return "".join("d" if isinstance(ask, Decode) else "e" for ask in self.asks)


def start(plan: Plan, conditioning: str) -> tuple[Any, Vae]:
    """What the second pass starts from, and the VAE that was asked."""
    facts = NOTHING._replace(model=SECOND, conditioning=conditioning, latent_channels=4, device="cpu")
    vae = Vae()
    assert plan.hires is not None
    enlarger = Enlarger(plan, plan.hires)
    latents = torch.zeros(2, 4, 8, 8)
    vae.run(enlarger.look(FIRST, latents))
    encoder = PictureEncoder(plan, facts, torch.Generator().manual_seed(1))
    return vae.run(enlarger.source(encoder, latents)), vae


@pytest.mark.parametrize(("upscaler", "kinds"), [("Latent", ""), ("Lanczos", "de")])
def test_ordinary_models_are_shown_nothing(plan_of: Any, upscaler: str, kinds: str) -> None:
    source, vae = start(plan_of(0.5, hr_upscaler=upscaler), "text")
    assert (vae.kinds, source.extra, tuple(source.clean.shape)) == (kinds, None, (2, 4, 16, 16))


@pytest.mark.parametrize(("upscaler", "kinds"), [("Latent", "e"), ("Lanczos", "dee")])
def test_a_mask_of_full_weight_hides_all(plan_of: Any, upscaler: str, kinds: str) -> None:
    source, vae = start(plan_of(1.0, hr_upscaler=upscaler), "inpaint")
    assert vae.kinds == kinds
    assert vae.asks[-1].images.shape == (2, 3, 128, 128)
    assert vae.asks[-1].images.abs().max() == 0, "grey"
    assert source.extra.shape == (2, 5, 16, 16)
    assert source.extra[:, 0].min() == 1, "all is to be painted"


@pytest.mark.parametrize(("upscaler", "kinds"), [("Latent", "de"), ("Lanczos", "dee")])
def test_a_mask_of_less_weight_lets_the_first_pass_shine_through(
    plan_of: Any, upscaler: str, kinds: str
) -> None:
    source, vae = start(plan_of(0.25, hr_upscaler=upscaler), "inpaint")
    assert vae.kinds == kinds
    assert vae.asks[0].model == (SECOND if upscaler == "Latent" else FIRST)
    assert torch.allclose(vae.asks[-1].images, torch.full((2, 3, 128, 128), LEVEL * 0.75), atol=0.01)
    assert source.extra.shape == (2, 5, 16, 16)
    assert source.extra[:, 0].min() == 1


@pytest.mark.parametrize("upscaler", ["Latent", "Lanczos"])
def test_what_is_shown_is_cut_like_the_latents(plan_of: Any, upscaler: str) -> None:
    plan = plan_of(0.25, hr_upscaler=upscaler, hr_resize_x=112, hr_resize_y=80)
    source, _ = start(plan, "inpaint")
    assert source.clean.shape[2:] == source.extra.shape[2:] == (10, 14)


def test_every_image_has_encoder_noise_of_its_own(plan_of: Any) -> None:
    source, _ = start(plan_of(), "inpaint")
    drawn = torch.rand(2, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(source.extra[:, 1, 0, 0], drawn)
