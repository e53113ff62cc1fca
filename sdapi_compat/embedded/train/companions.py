"""Everything that can be made from a finished model folder, laid out as a server's data folder.

``python -m sdapi_compat.embedded.train --stage companions --model FOLDER --work DIR`` makes all of it; a
server started with ``--data-dir DIR`` finds every file. Each stage has a name of its own, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from .embedding import train_embedding
from .frozen import FrozenModel, load_frozen
from .inpainting import train_inpainting
from .single_file import export_single_file
from .style_lora import train_style
from .tiny_decoder import train_tiny_decoder
from .vocabulary import Concept

Stage = Callable[[FrozenModel, list[Concept], Path], Path]


def _single_file(model: FrozenModel, _concepts: list[Concept], work: Path) -> Path:
    place = work / "models" / "Stable-diffusion" / f"{model.name}-single.safetensors"
    return export_single_file(model.folder, place)


def _tiny_decoder(model: FrozenModel, concepts: list[Concept], work: Path) -> Path:
    return train_tiny_decoder(model, concepts, work / "models" / "VAE-taesd" / "taesd_decoder.safetensors")


def _style_lora(model: FrozenModel, concepts: list[Concept], work: Path) -> Path:
    return train_style(model, concepts, work / "models" / "Lora" / "night.safetensors")


def _embedding(model: FrozenModel, concepts: list[Concept], work: Path) -> Path:
    return train_embedding(model, concepts, work / "embeddings" / "teal.safetensors")


def _inpainting(model: FrozenModel, concepts: list[Concept], work: Path) -> Path:
    place = work / "models" / "Stable-diffusion" / f"{model.name}-inpainting"
    return train_inpainting(model, concepts, place)


#: By the name that ``--stage`` takes.
STAGES: dict[str, Stage] = {
    "single-file": _single_file,
    "tiny-decoder": _tiny_decoder,
    "style-lora": _style_lora,
    "embedding": _embedding,
    "inpainting": _inpainting,
}
#: The stage that is all of them.
ALL = "companions"


def make(stage: str, folder: Path, concepts: list[Concept], work: Path) -> Iterator[Path]:
    """Make what ``stage`` says from the model in ``folder``: file after file, each told when it is there."""
    model = load_frozen(folder)
    for run in STAGES.values() if stage == ALL else [STAGES[stage]]:
        yield run(model, concepts, work)
