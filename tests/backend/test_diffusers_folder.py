from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from sdapi_compat.backend.diffusers_folder import SchedulerConfig, load_folder
from sdapi_compat.backend.families import Conditioning, UnsupportedModel
from sdapi_compat.backend.headers import BadWeightFile
from sdapi_compat.backend.policy import DeviceFlags, DevicePolicy
from sdapi_compat.backend.single_file import load_single_file

POLICY = DevicePolicy.choose(DeviceFlags(use_cpu=("all",)))


@pytest.fixture
def copy(tmp_path: Path, diffusers_folder: Path) -> Path:
    return Path(shutil.copytree(diffusers_folder, tmp_path / "copy"))


def _edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_same_weights_as_the_single_file(
    diffusers_folder: Path, ldm_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*_args: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    ours = load_folder(diffusers_folder, POLICY)
    theirs = load_single_file(ldm_folder / "tiny.safetensors", ldm_folder / "tiny.yaml", POLICY)
    assert ours.codec is not None
    assert theirs.codec is not None
    for one, other in (
        (ours.unet, theirs.unet),
        (ours.text.module, theirs.text.module),
        (ours.codec.module, theirs.codec.module),
    ):
        expected = other.state_dict()
        assert all(torch.equal(tensor, expected[name]) for name, tensor in one.state_dict().items())
    assert ours.codec.scaling_factor == theirs.codec.scaling_factor == 0.25
    for key, value in theirs.vae_config.items():
        assert ours.vae_config[key] == value, key
    assert torch.equal(ours.noise_schedule.sigmas, theirs.noise_schedule.sigmas)
    assert (ours.prediction, ours.conditioning) == ("eps", Conditioning.TEXT)
    assert not any(parameter.requires_grad for parameter in ours.unet.parameters())


def test_half_precision_files_run_in_the_policys_precision(copy: Path) -> None:
    for part in ("unet", "vae"):
        (plain,) = (copy / part).glob("*.safetensors")
        half = {name: tensor.half() for name, tensor in load_file(plain).items()}
        save_file(half, str(plain.with_name("diffusion_pytorch_model.fp16.safetensors")))
        plain.unlink()
    parts = load_folder(copy, POLICY)
    assert {parameter.dtype for parameter in parts.unet.parameters()} == {torch.float32}


def test_text_encoders_of_older_savers(copy: Path) -> None:
    expected = load_folder(copy, POLICY).text.module.state_dict()
    (weights,) = (copy / "text_encoder").glob("*.safetensors")
    old = {f"text_model.{name}": tensor for name, tensor in load_file(weights).items()}
    torch.save(old | {"text_model.embeddings.position_ids": torch.arange(77)[None]}, copy / "old.bin")
    half = {name: tensor.half() for name, tensor in old.items()}
    save_file(half, str(weights.with_name("model.fp16.safetensors")))
    both = load_folder(copy, POLICY).text.module.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in both.items())
    for path in (copy / "text_encoder").glob("*.safetensors"):
        path.unlink()
    (copy / "old.bin").rename(copy / "text_encoder" / "pytorch_model.bin")
    pickled = load_folder(copy, POLICY).text.module.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in pickled.items())


def test_v_prediction(copy: Path) -> None:
    path = copy / "scheduler" / "scheduler_config.json"
    _edit(path, lambda config: config.update(prediction_type="v_prediction"))
    assert load_folder(copy, POLICY).prediction == "v"
    _edit(path, lambda config: config.update(prediction_type="sample"))
    with pytest.raises(UnsupportedModel, match="'sample'"):
        load_folder(copy, POLICY)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"text_encoder_2": ["transformers", "CLIPTextModelWithProjection"]}, "text_encoder_2"),
        ({"unet": ["diffusers", "UNet3DConditionModel"]}, "its unet is UNet3DConditionModel"),
        ({"vae": [None, None]}, "its vae is missing"),
    ],
)
def test_other_pipelines_are_refused(copy: Path, change: dict[str, Any], reason: str) -> None:
    _edit(copy / "model_index.json", lambda index: index.update(change))
    with pytest.raises(UnsupportedModel, match=reason):
        load_folder(copy, POLICY)


def test_damaged_folders(copy: Path) -> None:
    (weights,) = (copy / "unet").glob("*.safetensors")
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-10])
    with pytest.raises(BadWeightFile, match="truncated"):
        load_folder(copy, POLICY)
    weights.write_bytes(b"PK\x03\x04 a pickle in disguise")
    with pytest.raises(BadWeightFile, match=r"unet/diffusion_pytorch_model\.safetensors is no safetensors"):
        load_folder(copy, POLICY)
    weights.write_bytes(whole)
    tensors = load_file(weights)
    del tensors["conv_out.bias"]
    save_file(tensors, str(weights))
    with pytest.raises(BadWeightFile, match=r"the unet lacks 1 tensors, such as conv_out\.bias"):
        load_folder(copy, POLICY)
    weights.unlink()
    with pytest.raises(OSError, match="diffusion_pytorch_model"):
        load_folder(copy, POLICY)
    (copy / "model_index.json").write_text("[]")
    with pytest.raises(ValueError, match="JSON object"):
        load_folder(copy, POLICY)


def test_schedules() -> None:
    default = SchedulerConfig().noise_schedule()
    assert default.sigma_max == pytest.approx(14.614642, abs=1e-4)
    zero_snr = SchedulerConfig(rescale_betas_zero_snr=True).noise_schedule()
    assert zero_snr.sigma_max > 1000
    linear = SchedulerConfig(beta_schedule="linear", beta_start=0.0001, beta_end=0.02).noise_schedule()
    assert linear.sigma_max == pytest.approx(157.4, rel=1e-2)
    trained = SchedulerConfig(trained_betas=[0.1, 0.2]).noise_schedule()
    assert trained.alphas_cumprod.tolist() == pytest.approx([0.9, 0.72])
