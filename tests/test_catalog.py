"""Folders of models on disk: what is found, and when it is looked for again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sdapi_compat.backend.registry import CheckpointPlaces
from sdapi_compat.backend.registry_vae import VaePlaces
from sdapi_compat.catalog import Catalog, Places


def put(path: Path, width: int = 8) -> None:
    """An embedding, or what passes for a LoRA or a checkpoint in a list."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"emb_params": torch.zeros(1, width)}, path)


@pytest.fixture
def catalog_of(tmp_path: Path) -> Callable[..., Catalog]:
    """The catalog of `tmp_path`, with or without its hidden folders."""

    def make(list_hidden: Callable[[], bool] = lambda: True) -> Catalog:
        places = Places(
            checkpoints=CheckpointPlaces(models=tmp_path / "models"),
            vaes=VaePlaces(checkpoints=tmp_path / "models", vae=tmp_path / "vaes"),
            forced_vae=None,
            loras=(tmp_path / "loras", tmp_path / "lycos"),
            embeddings=tmp_path / "embeddings",
            hypernetworks=tmp_path / "hypernetworks",
            styles=(),
            hash_cache=tmp_path / "hashes.json",
            hashing=False,
        )
        return Catalog(places, list_hidden)

    return make


def test_hidden_folders_are_an_option_that_a_refresh_looks_at(
    tmp_path: Path, catalog_of: Callable[..., Catalog]
) -> None:
    for folder in ("models", "vaes", "loras"):
        put(tmp_path / folder / "open.safetensors")
        put(tmp_path / folder / ".hidden" / "shy.safetensors")
    shown = [False]
    catalog = catalog_of(lambda: shown[0])
    for expected in (1, 2):
        assert [len(list(one)) for one in (catalog.checkpoints, catalog.vaes, catalog.loras)] == [
            expected
        ] * 3
        shown[0] = True
        catalog.refresh()


def test_embeddings_are_read_again_when_their_folder_has_changed(
    tmp_path: Path, catalog_of: Callable[..., Catalog]
) -> None:
    catalog = catalog_of()
    catalog.look_for_embeddings()
    assert len(catalog.embeddings) == 0, "there is no folder yet"
    put(tmp_path / "embeddings" / "one.safetensors")
    catalog.look_for_embeddings()
    before = catalog.embeddings
    assert [file.name for file in before] == ["one"]
    catalog.look_for_embeddings()
    assert catalog.embeddings is before
    (tmp_path / "embeddings" / "one.safetensors").unlink()
    os.utime(tmp_path / "embeddings", ns=(0, 10**18))
    catalog.look_for_embeddings()
    assert len(catalog.embeddings) == 0


def test_loras_are_read_again_when_files_have_come(
    tmp_path: Path, catalog_of: Callable[..., Catalog]
) -> None:
    put(tmp_path / "loras" / "one.safetensors")
    catalog = catalog_of()
    before = catalog.loras
    catalog.look_for_loras()
    assert catalog.loras is before
    put(tmp_path / "lycos" / "deep" / "two.safetensors")
    catalog.look_for_loras()
    assert {file.name for file in catalog.loras} == {"one", "two"}
