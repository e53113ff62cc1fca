from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from sdapi_compat.backend.loading import load_checkpoint, load_vae
from sdapi_compat.backend.policy import DeviceFlags, DevicePolicy
from sdapi_compat.backend.registry import CheckpointInfo, CheckpointPlaces, CheckpointRegistry
from sdapi_compat.backend.registry_vae import VaeFile
from sdapi_compat.backend.unet import DoublingUpsample
from sdapi_compat.errors import Fault

POLICY = DevicePolicy.choose(DeviceFlags(use_cpu=("all",)))


def _info(path: Path) -> CheckpointInfo:
    return CheckpointRegistry.scan(CheckpointPlaces(models=path.parent), None).select(path.name)


def test_both_layouts_give_the_same_model(ldm_folder: Path, diffusers_folder: Path) -> None:
    single = load_checkpoint(_info(ldm_folder / "tiny.safetensors"), None, POLICY)
    folder = load_checkpoint(_info(diffusers_folder), None, POLICY)
    x, context = torch.randn(1, 4, 7, 9), torch.randn(1, 77, 8)
    sigma = torch.tensor([2.0])
    # Where in memory weights lie can change a sum's order, and so its last bit.
    torch.testing.assert_close(single.denoise(x, sigma, context), folder.denoise(x, sigma, context))
    assert torch.equal(single.decode(x), folder.decode(x))
    assert isinstance(folder.unet.up_blocks[0].upsamplers[0], DoublingUpsample)


def test_a_separate_vae_stands_in_for_a_missing_one(
    tmp_path: Path,
    write_ldm: Callable[..., Path],
    ldm_tensors: Callable[..., dict[str, Any]],
    vae_tensors: Callable[[int], dict[str, Any]],
) -> None:
    pruned = {name: value for name, value in ldm_tensors().items() if not name.startswith("first_stage_")}
    path = write_ldm(tmp_path / "m.safetensors", pruned)
    with pytest.raises(Fault, match=r"m\.safetensors holds no VAE; choose one"):
        load_checkpoint(_info(path), None, POLICY)
    save_file(vae_tensors(1), str(tmp_path / "v.safetensors"))
    model = load_checkpoint(_info(path), VaeFile("v.safetensors", tmp_path / "v.safetensors"), POLICY)
    assert model.vae_name == "v.safetensors"
    assert model.decode(torch.zeros(1, 4, 2, 2)).shape == (1, 3, 16, 16)
    with pytest.raises(Fault, match="holds no VAE"):
        model.use_codec(None, None)
    assert model.vae_name == "v.safetensors"


def test_weights_loaded_in_inference_mode_can_be_changed_outside(ldm_folder: Path) -> None:
    with torch.inference_mode():
        model = load_checkpoint(_info(ldm_folder / "tiny.safetensors"), None, POLICY)
    model.unet.conv_in.weight.add_(1.0)
    model.text.module.final_layer_norm.weight.mul_(2.0)
    model.codec.module.post_quant_conv.weight.zero_()


@pytest.mark.parametrize("damage", ["truncated", "html", "empty", "yaml", "gone"])
def test_every_failure_names_the_file(tmp_path: Path, write_ldm: Callable[..., Path], damage: str) -> None:
    path = write_ldm(tmp_path / "m.safetensors")
    info = _info(path)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-1])
    elif damage == "yaml":
        path.with_suffix(".yaml").write_text("model: [")
    elif damage == "gone":
        path.unlink()
    else:
        path.write_bytes(b"<html>" * (damage == "html"))
    with pytest.raises(Fault, match=r"Cannot load m\.safetensors: \S") as caught:
        load_checkpoint(info, None, POLICY)
    assert (caught.value.name, caught.value.status) == ("RuntimeError", 500)


def test_a_bad_vae_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "v.pt").write_text("nothing")
    with pytest.raises(Fault, match=r"Cannot load v\.pt: neither"):
        load_vae(VaeFile("v.pt", tmp_path / "v.pt"), {}, POLICY)
