"""The stages by name, and the places of their files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sdapi_compat.embedded import CHECKPOINT_DIR
from sdapi_compat.embedded.train import companions
from sdapi_compat.embedded.train.__main__ import STAGES

ROOT = Path(__file__).resolve().parents[2]


def test_stages_can_be_named() -> None:
    assert {"single-file", "tiny-decoder", "style-lora", "embedding", "inpainting", "companions"} <= set(
        STAGES
    )
    assert len(STAGES) == len(set(STAGES))


def test_one_stage_of_another_folder(tmp_path: Path) -> None:
    other = tmp_path / "other-name"
    other.symlink_to(CHECKPOINT_DIR)
    (made,) = companions.make("single-file", other, [], tmp_path / "data")
    assert made == tmp_path / "data" / "models" / "Stable-diffusion" / "other-name-single.safetensors"
    assert made.is_file()
    assert made.with_suffix(".yaml").is_file()


def test_all_stages_come_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def stage(name: str) -> companions.Stage:
        def run(model: Any, concepts: Any, work: Path) -> Path:
            calls.append(name)
            return work / name

        return run

    monkeypatch.setattr(companions, "STAGES", {name: stage(name) for name in companions.STAGES})
    made = list(companions.make(companions.ALL, CHECKPOINT_DIR, [], tmp_path))
    assert calls == list(companions.STAGES)
    assert made == [tmp_path / name for name in calls]


def test_the_command(tmp_path: Path, concepts: Any) -> None:
    command = [sys.executable, "-m", "sdapi_compat.embedded.train", "--stage", "single-file"]
    command += ["--work", str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, check=True, timeout=300, stdout=subprocess.PIPE, text=True)
    (made,) = tmp_path.rglob("*.safetensors")
    assert run.stdout.split() == [str(made)]
