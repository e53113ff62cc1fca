from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from sdapi_compat.backend.hashes import HashCache, content_hash
from sdapi_compat.backend.policy import DeviceFlags, DevicePolicy
from sdapi_compat.backend.registry import CheckpointInfo, CheckpointPlaces, CheckpointRegistry
from sdapi_compat.backend.registry_vae import VaeFile
from sdapi_compat.backend.store import ModelStore
from sdapi_compat.errors import Fault

POLICY = DevicePolicy.choose(DeviceFlags(use_cpu=("all",)))
Make = Callable[..., dict[str, Any]]


@pytest.fixture
def folder(tmp_path: Path, write_ldm: Callable[..., Path], ldm_tensors: Make) -> Path:
    for seed, name in enumerate("abc"):
        write_ldm(tmp_path / f"{name}.safetensors", ldm_tensors(seed=seed))
    return tmp_path


def _info(folder: Path, name: str) -> CheckpointInfo:
    found = CheckpointRegistry.scan(CheckpointPlaces(models=folder), None).find(name)
    assert found is not None
    return found


def test_a_model_is_loaded_once_and_carries_its_hash(folder: Path) -> None:
    store = ModelStore(POLICY, HashCache(None))
    assert store.current is None
    model = store.get(_info(folder, "a"))
    assert model.info.sha256 == content_hash(folder / "a.safetensors")
    assert store.get(_info(folder, "a")) is model is store.current


def test_without_hashing_there_is_no_hash(folder: Path) -> None:
    assert ModelStore(POLICY, None).get(_info(folder, "a")).info.sha256 is None


def test_the_limit_keeps_the_models_used_last(folder: Path) -> None:
    store = ModelStore(POLICY, None, limit=2)
    first, second = store.get(_info(folder, "a")), store.get(_info(folder, "b"))
    assert store.get(_info(folder, "a")) is first
    store.get(_info(folder, "c"))
    assert store.get(_info(folder, "a")) is first
    assert store.get(_info(folder, "b")) is not second
    store.limit = 1
    store.get(_info(folder, "c"))
    assert store.get(_info(folder, "a")) is not first


def test_a_failing_load_leaves_the_current_model(folder: Path) -> None:
    store = ModelStore(POLICY, HashCache(None))
    model = store.get(_info(folder, "a"))
    broken = _info(folder, "b")
    (folder / "b.safetensors").write_bytes(b"broken")
    with pytest.raises(Fault, match=r"b\.safetensors"):
        store.get(broken)
    assert store.current is model
    assert torch.isfinite(model.decode(torch.zeros(1, 4, 2, 2))).all()
    assert store.reload() is model


def test_a_replaced_file_is_loaded_again(
    folder: Path, write_ldm: Callable[..., Path], ldm_tensors: Make
) -> None:
    store = ModelStore(POLICY, None)
    model = store.get(_info(folder, "a"))
    write_ldm(folder / "a.safetensors", ldm_tensors(seed=9) | {"extra": torch.zeros(1)})
    assert store.get(_info(folder, "a")) is not model


def test_switching_the_vae_keeps_the_model(folder: Path, vae_tensors: Make) -> None:
    save_file(vae_tensors(3), str(folder / "v.vae.safetensors"))
    vae = VaeFile("v.vae.safetensors", folder / "v.vae.safetensors")
    store = ModelStore(POLICY, None)
    latents = torch.randn(1, 4, 2, 2)
    model = store.get(_info(folder, "a"))
    baked = model.decode(latents)
    assert store.get(_info(folder, "a"), vae) is model
    assert model.vae_name == "v.vae.safetensors"
    assert not torch.allclose(model.decode(latents), baked, atol=1e-4)
    (folder / "broken.pt").write_text("nothing")
    with pytest.raises(Fault, match=r"broken\.pt"):
        store.get(_info(folder, "a"), VaeFile("broken.pt", folder / "broken.pt"))
    assert model.vae_name == "v.vae.safetensors"
    store.get(_info(folder, "a"))
    assert torch.equal(model.decode(latents), baked)


def test_unload_and_reload(folder: Path) -> None:
    store = ModelStore(POLICY, None)
    assert store.reload() is None
    model = store.get(_info(folder, "a"))
    store.unload()
    assert store.current is None
    again = store.reload()
    assert again is not None
    assert again is not model
    assert again.info.name == "a.safetensors"
    store.unload()
    assert store.get(_info(folder, "b")).info.name == "b.safetensors"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_one_model_on_the_gpu_the_others_on_the_cpu(folder: Path) -> None:
    store = ModelStore(DevicePolicy.choose(DeviceFlags()), None, limit=2)
    first = store.get(_info(folder, "a"))
    second = store.get(_info(folder, "b"))
    assert (first.unet.device.type, second.unet.device.type) == ("cpu", "cuda")
    store.get(_info(folder, "a"))
    assert (first.unet.device.type, second.unet.device.type) == ("cuda", "cpu")
