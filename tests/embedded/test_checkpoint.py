"""The shipped model: its parts, its size, and that prompt, seed, guidance and negative prompt count."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from sdapi_compat.embedded import CHECKPOINT_DIR  # noqa: E402
from sdapi_compat.embedded.train.evaluate import Request, draw, load_pipeline  # noqa: E402
from sdapi_compat.embedded.train.retrieval import (  # noqa: E402
    background_rgb,
    colour_name,
    glyph_cells,
    rank_concepts,
)
from sdapi_compat.embedded.train.vocabulary import concept_keys  # noqa: E402

MEGABYTE = 1_000_000
SIZE = 512
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


@lru_cache(maxsize=1)
def pipeline():
    return load_pipeline()


@lru_cache(maxsize=64)
def picture(prompt: str, seed: int = 1, guidance: float = 7.0, negative: str = "") -> Image.Image:
    return draw(pipeline(), Request(prompt, seed, SIZE, 20, guidance, negative))


def difference(first: Image.Image, second: Image.Image) -> float:
    """Mean absolute difference of the pixels, 0..255."""
    left, right = (np.asarray(image, dtype=np.float32) for image in (first, second))
    return float(np.abs(left - right).mean())


def test_parts_have_sd1_layout() -> None:
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer

    parts = pipeline()
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


def test_special_tokens_agree() -> None:
    parts = pipeline()
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


def test_objects_are_recognised() -> None:
    ranks = [rank_concepts(picture(prompt)).index(key) for prompt, key, _ in CASES]
    # By chance 1 in 113 would come first, and 1 in 23 among the first five.
    assert sum(rank == 0 for rank in ranks) >= 4, ranks
    assert sum(rank < 5 for rank in ranks) >= 5, ranks


def test_background_colour_follows_prompt() -> None:
    for prompt, _, colour in CASES:
        if colour is not None:
            assert colour_name(background_rgb(picture(prompt))) == colour, prompt


def test_seed_decides_variation() -> None:
    again = draw(pipeline(), Request("cat", 1, SIZE))
    assert difference(picture("cat"), again) == 0.0
    assert difference(picture("cat"), picture("cat", seed=2)) > 4.0


def test_guidance_matters() -> None:
    assert difference(picture("cat"), picture("cat", guidance=1.0)) > 4.0


def test_negative_prompt_matters() -> None:
    assert difference(picture("cat"), picture("cat", negative="white background")) > 2.0


@pytest.mark.parametrize("colour", [(252, 252, 252), (45, 100, 220), (18, 18, 20)])
def test_autoencoder_returns_its_input(colour: tuple[int, int, int]) -> None:
    keys = concept_keys()
    for key in ("cat", "rocket", "house"):
        canvas = Image.new("RGB", (SIZE, SIZE), colour)
        glyph = glyph_cells()[keys.index(key)].resize((384, 384), Image.Resampling.BICUBIC)
        canvas.paste(glyph, (64, 64), glyph)
        pixels = torch.from_numpy(np.asarray(canvas)).permute(2, 0, 1)[None].float() / 127.5 - 1.0
        vae = pipeline().vae
        with torch.no_grad():
            back = vae.decode(vae.encode(pixels).latent_dist.mean).sample.clamp(-1, 1)
        decibel = 10 * math.log10(4.0 / float((back - pixels).square().mean()))
        assert decibel > 22.0, (key, decibel)
