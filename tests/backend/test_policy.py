from __future__ import annotations

import pytest
import torch

from sdapi_compat.backend import policy as policy_module
from sdapi_compat.backend.policy import DeviceFlags, DevicePolicy
from sdapi_compat.errors import Fault

CUDA = torch.cuda.is_available()


def test_cpu_computes_in_float32_whatever_the_flags() -> None:
    flags = DeviceFlags(use_cpu=("all",), precision="half", medvram=True, lowvram=True)
    chosen = DevicePolicy.choose(flags)
    assert chosen.device == torch.device("cpu")
    assert (chosen.dtype, chosen.vae_dtype) == (torch.float32, torch.float32)
    assert chosen.offload == "none"


def test_use_cpu_for_other_things_does_not_count() -> None:
    assert (DevicePolicy.choose(DeviceFlags(use_cpu=("interrogate",))).device.type == "cpu") is not CUDA


@pytest.mark.parametrize(
    ("flags", "dtype", "vae_dtype", "offload"),
    [
        (DeviceFlags(), torch.float16, torch.float16, "none"),
        (DeviceFlags(no_half=True), torch.float32, torch.float32, "none"),
        (DeviceFlags(precision="full"), torch.float32, torch.float32, "none"),
        (DeviceFlags(no_half_vae=True), torch.float16, torch.float32, "none"),
        (DeviceFlags(medvram=True), torch.float16, torch.float16, "model"),
        (DeviceFlags(lowvram=True, medvram=True), torch.float16, torch.float32, "sequential"),
    ],
)
def test_choices_on_cuda(
    monkeypatch: pytest.MonkeyPatch,
    flags: DeviceFlags,
    dtype: torch.dtype,
    vae_dtype: torch.dtype,
    offload: str,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    chosen = DevicePolicy.choose(flags)
    assert chosen.device == torch.device("cuda")
    assert (chosen.dtype, chosen.vae_dtype, chosen.offload) == (dtype, vae_dtype, offload)


def test_device_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert DevicePolicy.choose(DeviceFlags(device_id="1")).device == torch.device("cuda:1")


def test_mps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    chosen = DevicePolicy.choose(DeviceFlags())
    assert (chosen.device.type, chosen.dtype) == ("mps", torch.float16)


def test_xformers_must_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_module, "find_spec", lambda name: None)
    with pytest.raises(Fault, match="xformers package is not installed") as caught:
        DevicePolicy.choose(DeviceFlags(xformers=True))
    assert caught.value.name == "ModuleNotFoundError"
    monkeypatch.setattr(policy_module, "find_spec", lambda name: object())
    assert DevicePolicy.choose(DeviceFlags(xformers=True)).xformers
