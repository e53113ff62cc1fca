"""The files made from the shipped model, by trainings of a few steps, and a server that has them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray


@dataclass(frozen=True)
class Companions:
    """A data folder, and where each file lies in it."""

    data_dir: Path
    single_file: Path
    tiny_decoder: Path
    lora: Path
    embedding: Path
    inpainting: Path


@pytest.fixture(scope="session")
def frozen() -> Any:
    """The shipped model, to build on."""
    from sdapi_compat.embedded import CHECKPOINT_DIR
    from sdapi_compat.embedded.train.frozen import load_frozen

    return load_frozen(CHECKPOINT_DIR)


@pytest.fixture(scope="session")
def concepts() -> Any:
    """What the first rows of the vocabulary name. Skips where the glyphs and keywords are not installed."""
    from sdapi_compat.embedded.train.glyphs import FONT_FILE
    from sdapi_compat.embedded.train.vocabulary import CLDR_FILES, load_concepts

    for file in (FONT_FILE, *CLDR_FILES):
        if not file.exists():
            pytest.skip(f"{file} is not installed")
    return load_concepts()[:16]


@pytest.fixture(scope="session")
def companions(frozen: Any, concepts: Any, tmp_path_factory: pytest.TempPathFactory) -> Companions:
    """All files, each made in seconds."""
    from sdapi_compat.embedded.train import embedding, inpainting, single_file, style_lora, tiny_decoder

    data_dir = tmp_path_factory.mktemp("companions")
    checkpoints = data_dir / "models" / "Stable-diffusion"
    tiny_run = tiny_decoder.TinyRun(steps=100, scenes=8, rate=5e-3)
    style_run = style_lora.StyleRun(steps=20, scenes=12, rate=4e-3, sides=(32,))
    word_run = embedding.EmbeddingRun(steps=48, sides=(32,), scenes=16, rate=5e-2)
    paint_run = inpainting.InpaintingRun(steps=40, sides=(32,), scenes=12, rate=2e-4)
    return Companions(
        data_dir=data_dir,
        single_file=single_file.export_single_file(frozen.folder, checkpoints / "single.safetensors"),
        tiny_decoder=tiny_decoder.train_tiny_decoder(
            frozen, concepts, data_dir / "models" / "VAE-taesd" / "taesd_decoder.safetensors", tiny_run
        ),
        lora=style_lora.train_style(
            frozen, concepts, data_dir / "models" / "Lora" / "night.safetensors", style_run
        ),
        embedding=embedding.train_embedding(
            frozen, concepts, data_dir / "embeddings" / "teal.safetensors", word_run
        ),
        inpainting=inpainting.train_inpainting(frozen, concepts, checkpoints / "inpainting", paint_run),
    )


@pytest.fixture(scope="session")
def studio(companions: Companions, launch: Callable[..., Any]) -> Any:
    """A server with all of them; the shipped checkpoint is chosen."""
    server = launch(companions.data_dir)
    server.post("/sdapi/v1/options", {"sd_model_checkpoint": "emoji-sd"})
    return server


@dataclass(frozen=True)
class Studio:
    """Pictures of 256 pixels, large enough to be recognised."""

    server: Any
    pictures: Any

    def draw(self, prompt: str, **fields: Any) -> NDArray[np.float32]:
        """The picture (256, 256, 3), 0..255, of seed 1."""
        return self.read(self.server.txt2img(prompt=prompt, width=256, height=256, steps=10, **fields))

    def read(self, reply: dict[str, Any]) -> NDArray[np.float32]:
        """The first picture of a reply."""
        image = self.pictures.decode(reply["images"][0])
        return np.asarray(image.convert("RGB"), dtype=np.float32)


@pytest.fixture(scope="session")
def drawing(studio: Any, pictures: Any) -> Studio:
    """`drawing.draw("cat")`: pixels from the server with all files."""
    return Studio(studio, pictures)
