"""What all trainings on top of a finished model share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from diffusers import DDPMScheduler
from PIL import Image
from torch import nn

from sdapi_compat.embedded import CHECKPOINT_DIR
from sdapi_compat.embedded.train.autoencoder import psnr
from sdapi_compat.embedded.train.diffusion import GUIDANCE
from sdapi_compat.embedded.train.frozen import (
    SceneShelf,
    batch_of,
    denoising_loss,
    encode_pictures,
    optimise,
    predict,
    read_config,
)
from sdapi_compat.embedded.train.text import encode_captions
from sdapi_compat.embedded.train.tiny_decoder import decode


def test_nothing_of_it_can_be_trained(frozen: Any) -> None:
    assert frozen.name == CHECKPOINT_DIR.name
    for part in (frozen.unet, frozen.vae, frozen.encoder):
        assert not any(weight.requires_grad for weight in part.parameters())
        assert {weight.dtype for weight in part.parameters()} == {torch.float32}
    assert read_config(CHECKPOINT_DIR, "unet")["in_channels"] == frozen.unet.config.in_channels


def test_latents_are_scaled_and_come_back(frozen: Any) -> None:
    picture = Image.new("RGB", (64, 64), (200, 60, 30))
    latents = encode_pictures(frozen, [picture, picture])
    assert latents.shape == (2, frozen.vae.config.latent_channels, 8, 8)
    pixels = torch.tensor([200.0, 60.0, 30.0]).reshape(1, 3, 1, 1).expand(2, 3, 64, 64) / 127.5 - 1
    assert psnr(decode(frozen, latents), pixels) > 20


def test_shelves_are_the_same_for_a_seed(frozen: Any, concepts: Any) -> None:
    seen = []
    for seed in (3, 3, 4):
        shelf = SceneShelf(frozen, concepts, seed)
        shelf.fill(8, 4)
        seen.append(shelf.draw(8, 6))
    assert torch.equal(seen[0][0], seen[1][0])
    assert seen[0][1] == seen[1][1]
    assert not torch.equal(seen[0][0], seen[2][0])
    assert len(seen[0][1]) == len(seen[0][0]) == 6


def test_scenes_are_painted_as_wished(frozen: Any, concepts: Any) -> None:
    black = Image.new("RGB", (64, 64))
    shelf = SceneShelf(frozen, concepts, 5, lambda _scene, _pixels: black)
    shelf.fill(8, 2)
    latents, _ = shelf.draw(8, 1)
    assert torch.allclose(latents, encode_pictures(frozen, [black]))


def test_what_it_predicts_is_guided_and_learned_on_the_prompts_side(frozen: Any) -> None:
    torch.manual_seed(2)
    noisy, times = torch.randn(2, 4, 16, 16), torch.tensor([900, 300])
    states, nothing = (
        encode_captions(frozen.tokenizer, frozen.encoder, texts)
        for texts in (["a cat", "two hearts"], ["", ""])
    )
    states.requires_grad_(True)
    predicted = predict(frozen, noisy, times, states)
    asked, blank = (frozen.unet(noisy, times, given).sample for given in (states, nothing))
    assert torch.allclose(predicted, blank + GUIDANCE * (asked - blank), atol=1e-4)
    (slope,) = torch.autograd.grad(predicted.sum(), states)
    (plain,) = torch.autograd.grad(asked.sum(), states)
    assert torch.allclose(slope, GUIDANCE * plain, atol=1e-3)


def test_the_loss_is_of_the_kind_the_model_was_trained_with(frozen: Any, concepts: Any) -> None:
    shelf = SceneShelf(frozen, concepts, 6)
    shelf.fill(32, 4)
    latents, captions = shelf.draw(32, 4)
    kind = frozen.scheduler.config.prediction_type
    other = {"v_prediction": "epsilon", "epsilon": "v_prediction"}[kind]
    scheduler = DDPMScheduler.from_config(frozen.scheduler.config, prediction_type=other)
    strange = replace(frozen, scheduler=scheduler)
    losses = []
    for model in (frozen, strange):
        torch.manual_seed(8)
        with torch.no_grad():
            states = encode_captions(model.tokenizer, model.encoder, captions)
            losses.append(float(denoising_loss(model, latents, states)))
    assert losses[0] < 0.7 * losses[1]


def test_small_pictures_come_in_larger_batches() -> None:
    assert [batch_of(side) for side in (16, 32, 64, 256)] == [32, 8, 2, 1]


@pytest.mark.parametrize("steps", [1, 60])
def test_optimise_makes_so_many_steps(steps: int) -> None:
    weight = nn.Parameter(torch.tensor([3.0]))
    made = 0
    for step in optimise({0.3: [weight]}, steps):
        step(weight.square().sum())
        made += 1
    assert made == steps
    assert steps == 1 or abs(float(weight.detach())) < 0.5
