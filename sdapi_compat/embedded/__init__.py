"""The checkpoint that ships with the package: a small SD1-layout model that draws emoji-style pictures."""

from __future__ import annotations

from pathlib import Path

#: The diffusers folder of the shipped model: model_index.json and one folder per part.
CHECKPOINT_DIR: Path = Path(__file__).resolve().parent / "emoji-sd"
