from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from sdapi_compat.backend.registry import CheckpointInfo, CheckpointPlaces, CheckpointRegistry
from sdapi_compat.backend.registry_vae import VaePlaces, VaeRegistry, VaeWish


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    names = (
        "sd/m.ckpt", "sd/m.vae.pt", "sd/n.vae.safetensors", "sd/plain.pt",
        "vae/b10.pt", "vae/b9.ckpt", "vae/sub/b10.pt", "vae/readme.txt",
    )  # fmt: skip
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def _vaes(folders: Path, **places: Path) -> VaeRegistry:
    return VaeRegistry.scan(VaePlaces(checkpoints=folders / "sd", vae=folders / "vae", **places))


def _checkpoint(folders: Path) -> CheckpointInfo:
    return CheckpointRegistry.scan(CheckpointPlaces(models=folders / "sd"), None).select("m")


def _resolved(folders: Path, **wish: object) -> str | None:
    found = _vaes(folders).resolve(_checkpoint(folders), VaeWish(**wish))  # type: ignore[arg-type]
    return None if found is None else found.name


def test_list(folders: Path) -> None:
    registry = _vaes(folders)
    assert [file.name for file in registry] == ["m.vae.pt", "n.vae.safetensors", "b9.ckpt", "b10.pt"]
    assert len(registry) == 4
    last = registry.find("b10.pt")
    assert last is not None
    assert last.path == folders / "vae" / "sub" / "b10.pt"


def test_list_of_extra_folders(folders: Path) -> None:
    (folders / "more").mkdir()
    (folders / "more" / "x.pt").write_bytes(b"x")
    (folders / "more" / "y.vae.pt").write_bytes(b"y")
    assert _vaes(folders, vae_dir=folders / "more").find("x.pt") is not None
    beside_checkpoints = _vaes(folders, ckpt_dir=folders / "more")
    assert beside_checkpoints.find("x.pt") is None
    assert beside_checkpoints.find("y.vae.pt") is not None


def test_automatic_takes_the_one_beside_the_checkpoint(folders: Path) -> None:
    assert _resolved(folders) == "m.vae.pt"
    assert _resolved(folders, setting="auto") == "m.vae.pt"


def test_setting_overrides_unless_told_not_to(folders: Path) -> None:
    assert _resolved(folders, setting="b9.ckpt") == "b9.ckpt"
    assert _resolved(folders, setting="None") is None
    assert _resolved(folders, setting="b9.ckpt", overrides_per_model=False) == "m.vae.pt"


def test_forced_path_wins(folders: Path) -> None:
    assert _resolved(folders, forced=Path("elsewhere/v.pt"), setting="b9.ckpt") == "v.pt"


def test_metadata_of_the_checkpoint(folders: Path) -> None:
    def choose(name: object) -> None:
        (folders / "sd" / "m.json").write_text(json.dumps({"vae": name}))

    choose("b9.ckpt")
    assert _resolved(folders) == "b9.ckpt"
    assert _resolved(folders, setting="b10.pt") == "b10.pt"
    choose("None")
    assert _resolved(folders) is None
    for unusable in ("Automatic", "missing.pt", 3):
        choose(unusable)
        assert _resolved(folders) == "m.vae.pt"
    (folders / "sd" / "m.json").write_text("{")
    assert _resolved(folders) == "m.vae.pt"


def test_unknown_setting_is_reported_and_means_baked(folders: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert _resolved(folders, setting="missing.pt") is None
    assert "missing.pt" in caplog.text
