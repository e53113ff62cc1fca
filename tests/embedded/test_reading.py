"""What plans say of latents, and which targets come of it."""

from __future__ import annotations

import random

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from sdapi_compat.embedded.train.autoencoder import build, pictures_to_tensor  # noqa: E402
from sdapi_compat.embedded.train.glyphs import FONT_FILE  # noqa: E402
from sdapi_compat.embedded.train.layout import PartCode, planned_code, planned_states  # noqa: E402
from sdapi_compat.embedded.train.reading import (  # noqa: E402
    EARLIEST,
    LATEST,
    MOST_WEIGHT,
    THING,
    PlanReading,
    importance,
    mixed,
    tinted,
)
from sdapi_compat.embedded.train.scenes import Topic, plain_scene, render, sample_scene  # noqa: E402
from sdapi_compat.embedded.train.text import WIDTH  # noqa: E402
from sdapi_compat.embedded.train.tokenizer import CONTEXT  # noqa: E402
from sdapi_compat.embedded.train.vocabulary import Concept  # noqa: E402

CONCEPTS = [
    Concept(name, glyph, (name,), ())
    for name, glyph in (("cat", "🐱"), ("tree", "🌳"), ("car", "🚗"), ("star", "⭐"), ("pizza", "🍕"))
]


@pytest.mark.skipif(not FONT_FILE.exists(), reason="needs fonts-noto-color-emoji")
@pytest.mark.parametrize("first", [3, 9])
def test_a_plan_tells_most_of_the_latents(first: int) -> None:
    rng = random.Random(1)
    vae = build(pictures_to_tensor([render(sample_scene(rng, CONCEPTS), 64) for _ in range(8)])).eval()
    vae.register_to_config(scaling_factor=1.0)
    code = PartCode.fitted(CONCEPTS, samples=120)
    reading = PlanReading.fitted(vae, code, CONCEPTS, samples=12)
    topic = Topic((CONCEPTS[0],), "yellow", position="left")
    states = planned_states(planned_code(code, topic)[None], torch.tensor([first]), CONTEXT, WIDTH)
    found = reading.of(states)
    with torch.no_grad():
        pixels = pictures_to_tensor([render(plain_scene(topic), 512)])
        latents = vae.encode(pixels).latent_dist.mean
    assert found.shape == latents.shape
    # The encoder's first three channels are colours; the fourth is a leftover that thumbnails do not hold.
    error = (found - latents)[:, :3].square().mean()
    assert float(error) < 0.1 * float(latents[:, :3].var())
    small = reading.of(states, 32, 32)
    assert small.shape == (1, 4, 32, 32)
    halved = torch.nn.functional.avg_pool2d(found, 2)
    assert float((small - halved).square().mean()) < 0.05 * float(halved.var())
    wide = reading.of(states, 64, 96)
    assert torch.equal(wide[..., 16:80], found)
    assert torch.equal(wide[..., :16], found[..., :1].expand(-1, -1, -1, 16))


def test_a_tint_changes_the_background_and_not_the_thing() -> None:
    reading, latents = torch.zeros(1, 4, 16, 16), torch.full((1, 4, 16, 16), 0.2)
    reading[:, :, 6:10, 6:10] = 2.0
    found = tinted(reading, latents)
    assert torch.allclose(found[:, :, 0, 0], torch.tensor(0.2))
    assert torch.allclose(found[:, :, 7, 7], torch.tensor(2.0), atol=1e-4)


def test_faint_things_weigh_more_and_all_things_more_than_what_is_around() -> None:
    readings = torch.zeros(3, 4, 16, 16)
    readings[:, :, 6:10, 6:10] = torch.tensor([0.05, 2.5, 20.0])[:, None, None, None]
    found = importance(readings)
    assert found.shape == (3, 1, 16, 16)
    whole = found.mean(dim=(1, 2, 3)).tolist()
    assert whole == pytest.approx([MOST_WEIGHT, whole[1], 1 / MOST_WEIGHT])
    assert 1 / MOST_WEIGHT < whole[1] < MOST_WEIGHT
    assert float(found[1, 0, 7, 7]) == pytest.approx((1 + THING) * float(found[1, 0, 0, 0]), rel=1e-3)


def test_targets_are_read_at_high_noise_and_seen_at_low_noise() -> None:
    reading, latents = torch.ones(3, 4, 2, 2), torch.zeros(3, 4, 2, 2)
    found = mixed(reading, latents, torch.tensor([EARLIEST, (EARLIEST + LATEST) // 2, LATEST]))
    assert found[:, 0, 0, 0].tolist() == [0.0, 0.5, 1.0]
