from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pytest
import torch

from sdapi_compat.backend.memory import memory_facts


def test_ram_adds_up() -> None:
    ram = memory_facts()["ram"]
    assert list(ram) == ["free", "used", "total"]
    assert ram["free"] + ram["used"] == ram["total"]
    assert isinstance(ram["total"], float)
    assert isinstance(ram["used"], int)
    assert 1e6 < ram["used"] < ram["total"]


def test_without_cuda_or_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert memory_facts()["cuda"] == {"error": "unavailable"}
    monkeypatch.delitem(sys.modules, "torch")
    assert memory_facts()["cuda"] == {"error": "unavailable"}


def test_figures_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    stats = {"active_bytes.all.current": 1, "active_bytes.all.peak": 2, "num_ooms": 3, "num_alloc_retries": 4}
    monkeypatch.setattr(
        torch,
        "cuda",
        SimpleNamespace(
            is_available=lambda: True, mem_get_info=lambda: (30, 100), memory_stats=lambda: stats
        ),
    )
    cuda = memory_facts()["cuda"]
    assert cuda["system"] == {"free": 30, "used": 70, "total": 100}
    assert cuda["active"] == {"current": 1, "peak": 2}
    assert cuda["inactive"] == {"current": 0, "peak": 0}
    assert cuda["events"] == {"retries": 4, "oom": 3}
    assert list(cuda) == ["system", "active", "allocated", "reserved", "inactive", "events"]
    assert json.dumps(cuda)


def test_an_error_of_the_driver_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("driver gone")

    monkeypatch.setattr(torch, "cuda", SimpleNamespace(is_available=lambda: True, mem_get_info=broken))
    assert memory_facts()["cuda"] == {"error": "driver gone"}
