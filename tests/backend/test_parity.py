"""Pictures of the original (A1111 1.10.1, CPU, float32) made again with a bare Euler loop over our model."""

from __future__ import annotations

import base64
import io
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from sdapi_compat.backend.embedding_vectors import EmbeddingVectors
from sdapi_compat.backend.loading import load_checkpoint
from sdapi_compat.backend.model import DiffusionModel
from sdapi_compat.backend.policy import DeviceFlags, DevicePolicy
from sdapi_compat.backend.registry import CheckpointPlaces, CheckpointRegistry
from sdapi_compat.backend.registry_embeddings import EmbeddingFile, EmbeddingRegistry
from sdapi_compat.prompt.chunks import chunk
from sdapi_compat.prompt.embeddings import EmbeddingIndex, EmbeddingName
from sdapi_compat.prompt.emphasis import Emphasis, fragments

LARGEST_DIFFERENCE = 1
TEXT_TO_IMAGE = {
    "007": "Euler", "049": "(a:1.3)", "050": "brackets", "052": "BREAK", "057": "three chunks",
    "058": "chunks of different number", "060": "empty", "061": "emoji", "062": "whitespace",
    "064": "emphasis None", "065": "emphasis Ignore", "066": "emphasis No norm", "084": "128x64",
    "082": "tiling", "102": "another checkpoint", "104": "inpainting checkpoint",
    "109": "embedding", "110": "weighted embeddings",
}  # fmt: skip


@pytest.fixture(scope="module")
def model_named(golden: Path) -> Callable[[str], DiffusionModel]:
    folder = golden / "models" / "Stable-diffusion"
    registry = CheckpointRegistry.scan(CheckpointPlaces(models=folder), None)
    policy = DevicePolicy.choose(DeviceFlags(use_cpu=("all",)))
    loaded: dict[str, DiffusionModel] = {}

    def load(name: str) -> DiffusionModel:
        if name not in loaded:
            loaded[name] = load_checkpoint(registry.select(name), None, policy)
        return loaded[name]

    return load


@pytest.fixture(scope="module")
def embeddings(golden: Path) -> list[EmbeddingFile]:
    return list(EmbeddingRegistry.scan(golden / "models" / "embeddings"))


def _conditioning(
    model: DiffusionModel, request: dict[str, Any], embeddings: list[EmbeddingFile]
) -> list[Tensor]:
    names = [
        EmbeddingName(file.name, model.vocabulary.tokenize([file.name])[0], file.vectors)
        for file in embeddings
    ]
    vectors = EmbeddingVectors().obtain(embeddings)
    emphasis = request["override_settings"].get("emphasis", "Original")
    texts = request.get("prompt", ""), request.get("negative_prompt", "")
    parsed = [fragments(text, Emphasis.named(emphasis)) for text in texts]
    chunked = [chunk(text, model.vocabulary, 20, EmbeddingIndex(names)) for text in parsed]
    return [model.encode_chunks([chunks], 1, emphasis, vectors) for chunks in chunked]


def _noise(request: dict[str, Any]) -> Callable[..., Tensor]:
    generator = torch.Generator().manual_seed(request["seed"])
    return lambda shape: torch.randn(shape, generator=generator)


def _euler(x: Tensor, sigmas: list[float], denoised: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    for sigma, following in itertools.pairwise(sigmas):
        x = x + (x - denoised(x, torch.tensor([sigma]))) / sigma * (following - sigma)
    return x


def _difference(pictures: Tensor, path: Path) -> int:
    pixels = (255 * ((pictures[0] + 1) / 2).clamp(0, 1)).to(torch.uint8).permute(1, 2, 0).numpy()
    return int(np.abs(pixels.astype(int) - np.asarray(Image.open(path)).astype(int)).max())


@pytest.mark.parametrize("number", TEXT_TO_IMAGE, ids=lambda number: f"{number} {TEXT_TO_IMAGE[number]}")
def test_txt2img(
    golden: Path,
    model_named: Callable[[str], DiffusionModel],
    embeddings: list[EmbeddingFile],
    number: str,
) -> None:
    request = json.loads((golden / f"{number}.json").read_text())["request"]
    model = model_named(request["override_settings"].get("sd_model_checkpoint", "tinysd"))
    model.set_tiling(request.get("tiling", False))
    cond, uncond = _conditioning(model, request, embeddings)
    height, width = request["height"] // 8, request["width"] // 8
    extra = None
    if model.conditioning == "inpaint":
        grey = torch.zeros(1, 3, request["height"], request["width"])
        extra = torch.cat([torch.ones(1, 1, height, width), model.encode(grey, _noise(request))], dim=1)

    def denoised(x: Tensor, sigma: Tensor) -> Tensor:
        with_prompt, without = (model.denoise(x, sigma, context, extra) for context in (cond, uncond))
        return without + (with_prompt - without) * request["cfg_scale"]

    sigmas = model.noise_schedule.uniform_sigmas(request["steps"]).tolist()
    start = _noise(request)((1, 4, height, width)) * sigmas[0]
    pictures = model.decode(_euler(start, sigmas, denoised))
    assert _difference(pictures, golden / f"{number}-0.png") <= LARGEST_DIFFERENCE


def test_edit_checkpoint(golden: Path, model_named: Callable[[str], DiffusionModel]) -> None:
    request = json.loads((golden / "174.json").read_text())["request"]
    model = model_named("tinysd-ip2p")
    cond, uncond = _conditioning(model, request, [])
    picture = Image.open(io.BytesIO(base64.b64decode(request["init_images"][0]))).convert("RGB")
    image = torch.from_numpy(np.asarray(picture).astype(np.float32) / 255 * 2 - 1).permute(2, 0, 1)[None]
    source = model.encode_mode(image)

    def denoised(x: Tensor, sigma: Tensor) -> Tensor:
        both = model.denoise(x, sigma, cond, source)
        only_image = model.denoise(x, sigma, uncond, source)
        neither = model.denoise(x, sigma, uncond, source * 0)
        guided = request["cfg_scale"] * (both - only_image)
        return neither + guided + request["image_cfg_scale"] * (only_image - neither)

    kept = int(request["denoising_strength"] * request["steps"]) + 1
    sigmas = model.noise_schedule.uniform_sigmas(request["steps"]).tolist()[-kept - 1 :]
    start = model.encode(image, _noise(request)) + _noise(request)((1, 4, 8, 8)) * sigmas[0]
    pictures = model.decode(_euler(start, sigmas, denoised))
    assert _difference(pictures, golden / "174-0.png") <= LARGEST_DIFFERENCE
