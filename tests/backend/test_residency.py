from __future__ import annotations

import pytest
import torch
from torch import nn

from sdapi_compat.backend.policy import DevicePolicy, Offload
from sdapi_compat.backend.residency import Residency

OFFLOADS = pytest.mark.parametrize("offload", ["none", "model", "sequential"])


def _parts() -> list[nn.Module]:
    torch.manual_seed(0)
    return [nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)) for _ in range(3)]


def _policy(offload: Offload, device: str = "cpu") -> DevicePolicy:
    return DevicePolicy(
        device=torch.device(device), dtype=torch.float32, vae_dtype=torch.float32, offload=offload
    )


@OFFLOADS
def test_the_results_are_the_same(offload: Offload) -> None:
    """With the CPU standing in for the device: everything runs, only the copies go nowhere."""
    plain, managed, residency = _parts(), _parts(), Residency(_policy(offload))
    x = torch.randn(2, 4)
    for part in managed * 2:
        residency.admit(part)
    for _ in range(2):
        for one, other in zip(plain, managed, strict=True):
            residency.fetch(other)
            assert torch.equal(one(x), other(x))
        residency.release(managed[-1])
        residency.admit(managed[-1])


def _places(parts: list[nn.Module]) -> list[str]:
    return [next(part.parameters()).device.type for part in parts]


def test_one_part_at_a_time_is_fetched() -> None:
    """The meta device stands in for the GPU; it can be entered but not left."""
    parts, residency = _parts(), Residency(_policy("model", "meta"))
    for part in parts:
        residency.admit(part)
    assert _places(parts) == ["cpu", "cpu", "cpu"]
    residency.fetch(parts[1])
    residency.fetch(parts[1])
    assert _places(parts) == ["cpu", "meta", "cpu"]


def test_weights_moved_in_inference_mode_can_be_changed_outside() -> None:
    (part, *_), residency = _parts(), Residency(_policy("none", "meta"))
    with torch.inference_mode():
        residency.admit(part)
    assert not any(parameter.is_inference() for parameter in part.parameters())


def test_without_offloading_everything_is_on_the_device() -> None:
    parts, residency = _parts(), Residency(_policy("none", "meta"))
    for part in parts:
        residency.admit(part)
    residency.fetch(parts[0])
    assert _places(parts) == ["meta", "meta", "meta"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@OFFLOADS
def test_on_a_gpu(offload: Offload) -> None:
    plain, managed, residency = _parts(), _parts(), Residency(_policy(offload, "cuda"))
    x = torch.randn(2, 4)
    for part in managed:
        residency.admit(part)
    for one, other in zip(plain, managed, strict=True):
        residency.fetch(other)
        assert torch.allclose(one(x), other(x.cuda()).cpu(), atol=1e-5)
    expected = {"none": ["cuda"] * 3, "model": ["cpu", "cpu", "cuda"], "sequential": ["meta"] * 3}
    assert _places(managed) == expected[offload]
