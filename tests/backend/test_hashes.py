from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sdapi_compat.backend.hashes import HashCache, content_hash, data_hash, fingerprint, legacy_hash


def test_content_hash_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    assert content_hash(tmp_path / "a") == hashlib.sha256(b"x" * 3_000_000).hexdigest()


def test_legacy_hash_reads_64_kib_at_1_mib(tmp_path: Path) -> None:
    middle = bytes(range(256)) * 256
    (tmp_path / "a").write_bytes(b"\0" * 0x100000 + middle + b"tail")
    (tmp_path / "b").write_bytes(b"\1" * 0x100000 + middle + b"other tail")
    assert (
        legacy_hash(tmp_path / "a") == hashlib.sha256(middle).hexdigest()[:8] == legacy_hash(tmp_path / "b")
    )


def test_legacy_hash_of_a_short_file_is_that_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"short")
    assert legacy_hash(tmp_path / "a") == "e3b0c442"


def test_hashes_of_the_original(golden: Path) -> None:
    path = golden / "models" / "Stable-diffusion" / "tinysd.safetensors"
    assert content_hash(path) == "9772f43a298d919991ce700956756b018a9c7a3fdd36a3143b6846fc2918d7b1"
    assert data_hash(golden / "models" / "Lora" / "tinylora.safetensors").startswith("20e7913ac05e")


def test_folder_hash_covers_the_weight_files_in_order(tmp_path: Path) -> None:
    for name, content in (("vae/w.safetensors", b"2"), ("unet/w.bin", b"1"), ("unet/config.json", b"no")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert content_hash(tmp_path) == hashlib.sha256(b"12").hexdigest()
    assert fingerprint(tmp_path)[1] == 2


def test_data_hash_ignores_the_metadata(tmp_path: Path) -> None:
    for name, metadata in (("a", {"k": "1"}), ("b", {"k": "another value"})):
        save_file({"t": torch.arange(4.0)}, str(tmp_path / name), metadata=metadata)
    assert data_hash(tmp_path / "a") == data_hash(tmp_path / "b")
    assert content_hash(tmp_path / "a") != content_hash(tmp_path / "b")


def test_cache_remembers_between_runs_and_forgets_changed_files(tmp_path: Path) -> None:
    weights, store = tmp_path / "a", tmp_path / "cache" / "hashes.json"
    weights.write_bytes(b"one")
    assert HashCache(store).known(weights) is None
    first = HashCache(store).obtain(weights)
    assert HashCache(store).known(weights) == first
    weights.write_bytes(b"two!")
    assert HashCache(store).known(weights) is None
    second = HashCache(store).obtain(weights)
    assert second != first
    assert len(json.loads(store.read_text())) == 1


def test_cache_notices_a_change_of_the_time_alone(tmp_path: Path) -> None:
    weights, cache = tmp_path / "a", HashCache(None)
    weights.write_bytes(b"one")
    cache.obtain(weights)
    os.utime(weights, ns=(1, 1))
    assert cache.known(weights) is None


def test_cache_keeps_the_kinds_apart(tmp_path: Path) -> None:
    cache = HashCache(None)
    save_file({"t": torch.arange(4.0)}, str(tmp_path / "a"))
    assert cache.obtain(tmp_path / "a", "data") != cache.obtain(tmp_path / "a")
    assert cache.known(tmp_path / "a", "data") == data_hash(tmp_path / "a")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"file/x": 3}'])
def test_an_unreadable_cache_counts_as_empty(tmp_path: Path, content: str) -> None:
    store = tmp_path / "hashes.json"
    store.write_text(content)
    (tmp_path / "a").write_bytes(b"x")
    cache = HashCache(store)
    assert cache.obtain(tmp_path / "a") == hashlib.sha256(b"x").hexdigest()
    assert HashCache(store).known(tmp_path / "a") is not None


def test_an_unwritable_cache_still_remembers(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "a").write_bytes(b"x")
    cache = HashCache(tmp_path / "file" / "hashes.json")
    value = cache.obtain(tmp_path / "a")
    assert cache.known(tmp_path / "a") == value
