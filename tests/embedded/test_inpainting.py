"""The inpainting variant: five more input channels, which tell it what is around the mask."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from sdapi_compat.backend.families import Conditioning
from sdapi_compat.backend.policy import DeviceFlags, DevicePolicy
from sdapi_compat.backend.single_file import load_single_file
from sdapi_compat.embedded.train.captions import caption
from sdapi_compat.embedded.train.frozen import encode_pictures, load_frozen, predict
from sdapi_compat.embedded.train.inpainting import (
    GREY,
    MASKS,
    masked_scenes,
    random_mask,
    what_is_seen,
    widen,
)
from sdapi_compat.embedded.train.retrieval import background_rgb, colour_name
from sdapi_compat.embedded.train.scenes import render, sample_scene
from sdapi_compat.embedded.train.single_file import export_single_file
from sdapi_compat.embedded.train.text import encode_captions

CHOSEN = {"sd_model_checkpoint": "inpainting"}


def test_new_channels_have_no_effect_at_first(frozen: Any) -> None:
    torch.manual_seed(1)
    latents, states = torch.randn(1, 4, 8, 8), torch.randn(1, 77, frozen.encoder.config.hidden_size)
    wide = widen(frozen.unet)
    assert wide.config.in_channels == 9
    assert all(parameter.requires_grad for parameter in wide.parameters())
    with torch.no_grad():
        before = frozen.unet(latents, 500, states).sample
        after = wide(torch.cat([latents, torch.randn(1, 5, 8, 8)], dim=1), 500, states).sample
    assert torch.allclose(before, after, atol=1e-5)


def test_masks_cover_parts_and_sometimes_everything() -> None:
    rng = random.Random(1)
    shares = [float((np.asarray(random_mask(rng, 64)) == 255).mean()) for _ in range(200)]
    assert 20 <= sum(share == 1.0 for share in shares) <= 70
    assert min(shares) > 0.0
    assert sum(0.05 < share < 0.95 for share in shares) > 120


def test_what_is_seen_is_the_mask_and_the_rest_of_the_picture(frozen: Any, concepts: Any) -> None:
    picture = render(sample_scene(random.Random(2), concepts), 64)
    mask = Image.new("L", (64, 64))
    mask.paste(255, (0, 0, 32, 64))
    seen = what_is_seen(frozen, picture, mask)
    assert seen.shape == (5, 8, 8)
    assert torch.equal(seen[0, :, :4], torch.ones(8, 4))
    assert torch.equal(seen[0, :, 4:], torch.zeros(8, 4))
    grey = encode_pictures(frozen, [Image.new("RGB", (64, 64), GREY)])[0]
    assert torch.allclose(seen[1:, :, 0], grey[:, :, 0], atol=0.3)


def test_the_folder_is_the_models_but_for_the_unet(companions: Any, frozen: Any) -> None:
    folder = companions.inpainting
    assert json.loads((folder / "unet" / "config.json").read_text())["in_channels"] == 9
    weights = load_file(folder / "unet" / "diffusion_pytorch_model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float16}
    assert float(weights["conv_in.weight"][:, 4:].abs().max()) > 0
    for file in frozen.folder.rglob("*"):
        if file.is_file() and file.parent.name != "unet":
            assert (folder / file.relative_to(frozen.folder)).read_bytes() == file.read_bytes()
    assert "_name_or_path" not in (folder / "unet" / "config.json").read_text()


def test_as_one_file_it_is_an_inpainting_model_too(companions: Any, tmp_path: Path) -> None:
    path = export_single_file(companions.inpainting, tmp_path / "inpainting.safetensors")
    config = path.with_suffix(".yaml")
    assert "LatentInpaintDiffusion" in config.read_text()
    parts = load_single_file(path, config, DevicePolicy.choose(DeviceFlags(use_cpu=("all",))))
    assert parts.conditioning is Conditioning.INPAINT


def test_under_a_mask_of_everything_it_draws_much_as_the_model(
    frozen: Any, concepts: Any, companions: Any
) -> None:
    rng = random.Random(6)
    scenes = [sample_scene(rng, concepts) for _ in range(6)]
    pictures = [render(scene, 256) for scene in scenes]
    captions = [caption(rng, scene.topic) for scene in scenes]
    states = encode_captions(frozen.tokenizer, frozen.encoder, captions)
    everything = Image.new("L", (256, 256), 255)
    seen = torch.stack([what_is_seen(frozen, picture, everything) for picture in pictures])
    latents = encode_pictures(frozen, pictures)
    torch.manual_seed(6)
    noise, times = torch.randn_like(latents), torch.full((len(latents),), 700)
    noisy = frozen.scheduler.add_noise(latents, noise, times)
    target = frozen.scheduler.get_velocity(latents, noise, times)
    with torch.no_grad():
        own = predict(load_frozen(companions.inpainting), noisy, times, states, seen)
        models = predict(frozen, noisy, times, states)
    # So short a training costs a little of what the model can do.
    assert (own - target).square().mean() < 2.0 * (models - target).square().mean()


@pytest.mark.parametrize("colour", ["red", "blue"])
def test_without_a_picture_it_draws_what_the_prompt_says(drawing: Any, colour: str) -> None:
    pixels = drawing.draw(f"cat on a {colour} background", override_settings=CHOSEN)
    assert colour_name(background_rgb(Image.fromarray(pixels.astype(np.uint8)))) == colour


def test_what_it_sees_counts(frozen: Any, concepts: Any, companions: Any) -> None:
    """At the highest noise, the right picture around the mask helps, and a wrong one misleads."""
    wide = load_frozen(companions.inpainting).unet
    rng = random.Random(5)
    shelf = masked_scenes(frozen, [sample_scene(rng, concepts) for _ in range(4)], 32, seed=5)
    latents, seen = torch.stack([one.latents for one in shelf]), torch.stack([one.seen for one in shelf])
    wrong = torch.cat([seen[:, :1], seen[:, 1:].roll(MASKS, 0)], dim=1)
    kept = 1 - seen[:, :1]
    torch.manual_seed(1)
    noise, times = torch.randn_like(latents), torch.full((len(shelf),), 999)
    noisy = frozen.scheduler.add_noise(latents, noise, times)
    target = frozen.scheduler.get_velocity(latents, noise, times)
    states = encode_captions(frozen.tokenizer, frozen.encoder, [""] * len(shelf))

    def error(unet: Any, *more: Any) -> float:
        predicted = unet(torch.cat([noisy, *more], dim=1), times, states).sample
        return float(((predicted - target).square() * kept).mean())

    with torch.no_grad():
        assert error(wide, seen) < 0.9 * error(frozen.unet)
        assert error(wide, seen) < 0.9 * error(wide, wrong)


def test_the_server_shows_it_the_picture(drawing: Any, pictures: Any) -> None:
    blue, mask = Image.new("RGB", (256, 256), (45, 100, 220)), Image.new("L", (256, 256))
    mask.paste(255, (0, 0, 128, 256))
    fields = {
        "prompt": "cat", "mask": pictures.encode(mask), "denoising_strength": 1.0, "steps": 6,
        "inpainting_fill": 2, "inpaint_full_res": False, "mask_blur": 0, "width": 256, "height": 256,
    }  # fmt: skip

    def painted(weight: float, settings: dict[str, str]) -> Any:
        override = settings | {"inpainting_mask_weight": weight}
        return drawing.read(drawing.server.img2img(blue, **fields, override_settings=override))

    shown, hidden = painted(1.0, CHOSEN), painted(0.0, CHOSEN)
    assert np.abs(shown - hidden)[:, :128].mean() > 1
    assert np.abs(shown[:, 136:] - np.array(blue)[:, 136:]).max() <= 1
    assert np.abs(shown[:, :128] - np.array(blue)[:, :128]).mean() > 20
    assert np.array_equal(painted(1.0, {}), painted(0.0, {}))
