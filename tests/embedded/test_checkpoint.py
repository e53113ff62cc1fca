"""The shipped model: its parts, its size, and that prompt, seed, guidance and negative prompt count."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from sdapi_compat.embedded import CHECKPOINT_DIR  # noqa: E402
from sdapi_compat.embedded.train.retrieval import (  # noqa: E402
    CELL,
    SHEET,
    background_rgb,
    colour_name,
    common_gallery,
)

MEGABYTE = 1_000_000
SIZE = 512
Paint = Callable[..., Image.Image]
#: Phrase, concept, background: drawn once each with seed 1.
CASES = [
    ("cat", "cat", None),
    ("a dog on a blue background", "dog", "blue"),
    ("a beautiful sunset over the mountains", "sunset over the mountains", None),
    ("red heart", "heart", None),
    ("a star on a purple background", "star", "purple"),
    ("apple", "apple", None),
    ("a car on a yellow background", "car", "yellow"),
    ("a smiling face", "smiling face", None),
]


@pytest.fixture(scope="module")
def paint(server: Any, pictures: Any) -> Paint:
    """`paint("cat", seed=2)`: a picture of 512 pixels, 20 steps, by the default sampler; kept for later."""

    @lru_cache(maxsize=64)
    def painted(prompt: str, **fields: Any) -> Image.Image:
        request = {"prompt": prompt, "seed": 1, "width": SIZE, "height": SIZE, "steps": 20}
        reply = server.txt2img(**request | {"sampler_name": "DPM++ 2M"} | fields)
        return pictures.decode(reply["images"][0]).convert("RGB")

    return painted


@pytest.fixture(scope="module")
def parts() -> Any:
    """The folder as diffusers loads it, in float32."""
    from diffusers import StableDiffusionPipeline

    return StableDiffusionPipeline.from_pretrained(CHECKPOINT_DIR, torch_dtype=torch.float32)


def difference(first: Image.Image, second: Image.Image) -> float:
    """Mean absolute difference of the pixels, 0..255."""
    left, right = (np.asarray(image, dtype=np.float32) for image in (first, second))
    return float(np.abs(left - right).mean())


def test_parts_have_sd1_layout(parts: Any) -> None:
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer

    assert isinstance(parts.unet, UNet2DConditionModel)
    assert isinstance(parts.vae, AutoencoderKL)
    assert isinstance(parts.text_encoder, CLIPTextModel)
    assert isinstance(parts.tokenizer, CLIPTokenizer)
    assert (parts.unet.config.in_channels, parts.unet.config.out_channels) == (4, 4)
    assert parts.vae.config.latent_channels == 4
    assert 2 ** (len(parts.vae.config.block_out_channels) - 1) == 8
    assert parts.unet.config.cross_attention_dim == parts.text_encoder.config.hidden_size
    assert parts.tokenizer.model_max_length == parts.text_encoder.config.max_position_embeddings == 77
    assert parts.scheduler.config.prediction_type == "v_prediction"
    assert (parts.scheduler.config.beta_start, parts.scheduler.config.beta_end) == (0.00085, 0.012)


def test_special_tokens_agree(parts: Any) -> None:
    ids = parts.tokenizer(["a cat"], padding="max_length", max_length=77).input_ids[0]
    config = parts.text_encoder.config
    assert ids[0] == config.bos_token_id == parts.tokenizer.bos_token_id
    assert ids[-1] == config.eos_token_id == parts.tokenizer.eos_token_id
    assert len(parts.tokenizer) == config.vocab_size


def test_folder_is_small_and_half_precision() -> None:
    from safetensors import safe_open

    assert sum(file.stat().st_size for file in CHECKPOINT_DIR.rglob("*") if file.is_file()) <= 30 * MEGABYTE
    for weights in CHECKPOINT_DIR.rglob("*.safetensors"):
        with safe_open(weights, framework="pt") as content:
            kinds = {content.get_slice(name).get_dtype() for name in content.keys()}  # noqa: SIM118
        assert kinds <= {"F16", "I64"}, weights


def test_no_file_tells_where_it_was_made() -> None:
    configs = list(CHECKPOINT_DIR.rglob("*.json"))
    assert len(configs) >= 5
    assert not [file for file in configs if "_name_or_path" in file.read_text(encoding="utf-8")]


def test_objects_are_recognised(paint: Paint) -> None:
    ranks = [common_gallery().rank(paint(prompt)).index(key) for prompt, key, _ in CASES]
    # By chance 1 in 113 would come first, and 1 in 23 among the first five.
    assert sum(rank == 0 for rank in ranks) >= 4, ranks
    assert sum(rank < 5 for rank in ranks) >= 5, ranks


def test_background_colour_follows_prompt(paint: Paint) -> None:
    for prompt, _, colour in CASES:
        if colour is not None:
            assert colour_name(background_rgb(paint(prompt))) == colour, prompt


def test_seed_decides_variation(paint: Paint) -> None:
    # The other form of the same request is not kept: it is drawn again.
    assert difference(paint("cat"), paint("cat", negative_prompt="")) == 0.0
    assert difference(paint("cat"), paint("cat", seed=2)) > 2.0


def test_guidance_matters(paint: Paint) -> None:
    assert difference(paint("cat"), paint("cat", cfg_scale=1.0)) > 2.0


def test_negative_prompt_matters(paint: Paint) -> None:
    assert difference(paint("cat"), paint("cat", negative_prompt="white background")) > 2.0


@pytest.mark.parametrize("colour", [(252, 252, 252), (45, 100, 220), (18, 18, 20)])
def test_autoencoder_returns_its_input(parts: Any, colour: tuple[int, int, int]) -> None:
    sheet = Image.open(SHEET).convert("RGBA")
    for left in (0, 4 * CELL, 9 * CELL):
        canvas = Image.new("RGB", (SIZE, SIZE), colour)
        glyph = sheet.crop((left, 0, left + CELL, CELL)).resize((384, 384), Image.Resampling.BICUBIC)
        canvas.paste(glyph, (64, 64), glyph)
        pixels = torch.from_numpy(np.asarray(canvas)).permute(2, 0, 1)[None].float() / 127.5 - 1.0
        with torch.no_grad():
            latents = parts.vae.encode(pixels).latent_dist.mean
            back = parts.vae.decode(latents).sample.clamp(-1, 1)
        decibel = 10 * math.log10(4.0 / float((back - pixels).square().mean()))
        assert decibel > 22.0, (left, decibel)
