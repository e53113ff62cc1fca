from __future__ import annotations

import sys
from types import ModuleType

import pytest
import torch

from sdapi_compat.backend.policy import DeviceFlags, DevicePolicy

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


@pytest.fixture
def on_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


@pytest.mark.usefixtures("on_cuda")
def test_xformers_is_used_where_it_is_installed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "xformers", ModuleType("xformers"))
    monkeypatch.setitem(sys.modules, "xformers.ops", ModuleType("xformers.ops"))
    assert DevicePolicy.choose(DeviceFlags(xformers=True)).xformers
    assert not caplog.records


@pytest.mark.usefixtures("on_cuda")
def test_without_the_package_xformers_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "xformers", None)
    assert not DevicePolicy.choose(DeviceFlags(xformers=True)).xformers
    assert "--xformers has no effect" in caplog.text
    assert "xformers" in caplog.records[0].args[0]


def test_without_an_nvidia_gpu_xformers_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert not DevicePolicy.choose(DeviceFlags(xformers=True, use_cpu=("all",))).xformers
    assert "needs an NVIDIA GPU" in caplog.text


def test_without_the_flag_nobody_looks_for_xformers(caplog: pytest.LogCaptureFixture) -> None:
    assert not DevicePolicy.choose(DeviceFlags()).xformers
    assert not caplog.records
