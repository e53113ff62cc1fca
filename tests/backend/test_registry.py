from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sdapi_compat.backend.hashes import HashCache, content_hash
from sdapi_compat.backend.registry import CheckpointPlaces, CheckpointRegistry
from sdapi_compat.errors import Fault


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())


def _scan(models: Path, hashes: HashCache | None = None, **places: Path) -> CheckpointRegistry:
    return CheckpointRegistry.scan(CheckpointPlaces(models=models, **places), hashes)


def _titles(registry: CheckpointRegistry) -> list[str]:
    return [info.title for info in registry]


def test_names_of_one_checkpoint(tmp_path: Path) -> None:
    _touch(tmp_path, "sub/My Model.v1.safetensors", "sub/My Model.v1.yaml")
    (info,) = _scan(tmp_path)
    assert info.name == str(Path("sub", "My Model.v1.safetensors"))
    assert info.name_for_extra == "My Model.v1"
    assert info.model_name == "sub_My Model.v1"
    assert info.title == info.name
    assert (info.sha256, info.shorthash) == (None, None)
    assert info.config == tmp_path / "sub" / "My Model.v1.yaml"
    assert info.filename == str(tmp_path / "sub" / "My Model.v1.safetensors")
    assert info.legacy_hash == "e3b0c442"


def test_listing_order_and_exclusions(tmp_path: Path) -> None:
    _touch(tmp_path, "b.ckpt", "a.vae.safetensors", "a.VAE.ckpt", "x.pt", "a10.ckpt", "a9.ckpt", "s/c.ckpt")
    assert _titles(_scan(tmp_path)) == ["a9.ckpt", "a10.ckpt", "b.ckpt", str(Path("s", "c.ckpt"))]


def test_ckpt_dir_comes_first_and_equal_names_are_listed_once(tmp_path: Path) -> None:
    _touch(tmp_path, "extra/z.ckpt", "extra/same.ckpt", "models/a.ckpt", "models/same.ckpt")
    registry = _scan(tmp_path / "models", ckpt_dir=tmp_path / "extra")
    assert _titles(registry) == ["same.ckpt", "z.ckpt", "a.ckpt"]
    same = registry.find("same.ckpt")
    assert same is not None
    assert same.path == tmp_path / "models" / "same.ckpt"


def test_ckpt_dir_prefers_its_nested_folder(tmp_path: Path) -> None:
    _touch(tmp_path, "extra/a.ckpt", "extra/experiments/pretrained_models/b.ckpt")
    registry = _scan(tmp_path / "models", ckpt_dir=tmp_path / "extra")
    assert _titles(registry) == [str(Path("experiments", "pretrained_models", "b.ckpt"))]


def test_ckpt_is_first_and_pinned(tmp_path: Path) -> None:
    _touch(tmp_path, "models/a.ckpt", "models/b.ckpt", "c.ckpt")
    inside = _scan(tmp_path / "models", ckpt=tmp_path / "models" / "b.ckpt")
    assert _titles(inside) == ["b.ckpt", "a.ckpt"]
    outside = _scan(tmp_path / "models", ckpt=tmp_path / "c.ckpt")
    assert _titles(outside) == ["c.ckpt", "a.ckpt", "b.ckpt"]
    assert outside.pinned is not None
    assert outside.pinned.name == "c.ckpt"
    assert _scan(tmp_path / "models", ckpt=tmp_path / "missing.ckpt").pinned is None


def test_embedded_checkpoint_is_last(tmp_path: Path) -> None:
    _touch(tmp_path, "models/z.ckpt", "shipped.v1/model_index.json", "shipped.v1/unet/w.safetensors")
    registry = _scan(tmp_path / "models", embedded=tmp_path / "shipped.v1")
    assert _titles(registry) == ["z.ckpt", "shipped.v1"]
    alone = _scan(tmp_path / "none", embedded=tmp_path / "shipped.v1")
    assert alone.select(None).is_folder
    assert alone.select(None).model_name == "shipped.v1"


def test_aliases_before_and_after_hashing(tmp_path: Path) -> None:
    _touch(tmp_path, "m.ckpt", "other.ckpt")
    registry = _scan(tmp_path)
    info = registry.find("m")
    assert info is not None
    sha = content_hash(info.path)
    hashed = registry.with_hash(info, sha)
    title = f"m.ckpt [{sha[:10]}]"
    for alias in ("m", "m.ckpt", title, sha, sha[:10], f"m [{sha[:10]}]", "e3b0c442", "m.ckpt [e3b0c442]"):
        found = hashed.find(alias)
        assert found is not None
        assert found.title == title
    assert _titles(hashed) == [title, "other.ckpt"]
    assert _titles(registry) == ["m.ckpt", "other.ckpt"]
    assert registry.find(sha) is None


def test_equal_aliases_go_to_the_later_file_and_then_to_the_hashed_one(tmp_path: Path) -> None:
    _touch(tmp_path, "m.ckpt", "m.safetensors")
    registry = _scan(tmp_path)
    later = registry.find("m")
    assert later is not None
    assert later.name == "m.safetensors"
    first = registry.find("m.ckpt")
    assert first is not None
    chosen = registry.with_hash(first, "0" * 64).find("m")
    assert chosen is not None
    assert chosen.name == "m.ckpt"


def test_with_hash_of_an_unlisted_checkpoint_changes_nothing(tmp_path: Path) -> None:
    _touch(tmp_path, "a/m.ckpt", "b/n.ckpt")
    other = next(iter(_scan(tmp_path / "b")))
    registry = _scan(tmp_path / "a")
    assert registry.with_hash(other, "0" * 64) is registry


def test_known_hashes_show_in_the_listing(tmp_path: Path) -> None:
    _touch(tmp_path, "models/m.ckpt")
    cache = HashCache(tmp_path / "hashes.json")
    sha = cache.obtain(tmp_path / "models" / "m.ckpt")
    assert _titles(_scan(tmp_path / "models", cache)) == [f"m.ckpt [{sha[:10]}]"]
    assert _titles(_scan(tmp_path / "models", None)) == ["m.ckpt"]


def test_closest_match(tmp_path: Path) -> None:
    _touch(tmp_path, "photo-xl.ckpt", "photo.ckpt", "art.ckpt")
    registry = _scan(tmp_path)

    def closest(text: str) -> str | None:
        info = registry.closest(text)
        return None if info is None else info.title

    assert closest("art") == "art.ckpt"
    assert closest("pho") == "photo.ckpt"
    assert closest("photo-x") == "photo-xl.ckpt"
    assert closest("photo.ckpt [0123456789]") == "photo.ckpt"
    assert closest("") is None
    assert closest(" [abc]") is None
    assert closest("nothing like it") is None


def test_select_falls_back_to_the_first(tmp_path: Path) -> None:
    _touch(tmp_path, "a.ckpt", "b.ckpt")
    registry = _scan(tmp_path)
    assert registry.select("b").name == "b.ckpt"
    assert registry.select("unknown").name == "a.ckpt"
    assert registry.select(None).name == "a.ckpt"
    assert len(registry) == 2
    with pytest.raises(Fault) as caught:
        _scan(tmp_path / "empty").select("a")
    assert caught.value.name == "FileNotFoundError"


def test_a_replaced_file_has_another_version(tmp_path: Path) -> None:
    _touch(tmp_path, "a.ckpt")
    before = next(iter(_scan(tmp_path)))
    (tmp_path / "a.ckpt").write_bytes(b"something longer")
    assert next(iter(_scan(tmp_path))).version != before.version


def test_answer_of_the_original(golden: Path) -> None:
    models = golden / "models" / "Stable-diffusion"
    registry = _scan(models, ckpt=models / "tinysd.safetensors")
    loaded = registry.find("tinysd")
    assert loaded is not None
    registry = registry.with_hash(loaded, content_hash(loaded.path))
    assert _titles(registry) == [
        "tinysd.safetensors [9772f43a29]",
        "tinysd-b.safetensors",
        "tinysd-inpainting.safetensors",
        "tinysd-ip2p.safetensors",
    ]
    assert [info.model_name for info in registry][1:] == ["tinysd-b", "tinysd-inpainting", "tinysd-ip2p"]
    assert all(info.config is not None and info.config.suffix == ".yaml" for info in registry)


def test_registries_import_no_torch() -> None:
    modules = ["", "_files", "_vae", "_networks", "_embeddings"]
    imports = "; ".join(f"import sdapi_compat.backend.registry{name}" for name in modules)
    heavy = "import json, sys; print(json.dumps([m for m in ('torch', 'diffusers') if m in sys.modules]))"
    code = f"{imports}; import sdapi_compat.backend.memory; {heavy}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
