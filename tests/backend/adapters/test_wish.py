from __future__ import annotations

import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from sdapi_compat.backend.adapters.wish import AdapterWish, HypernetworkWish
from sdapi_compat.backend.registry_networks import HypernetworkFile, LoraFile

FILE = LoraFile("a", "a", Path("/a.safetensors"), {"tags": {"cat": 3}})


def test_wishes_can_be_keys() -> None:
    wishes = {AdapterWish(FILE, 1.0, 0.5, 4): 1, AdapterWish(FILE, 1.0, 0.5): 2}
    assert wishes[AdapterWish(FILE, 1.0, 0.5, 4)] == 1
    assert wishes[AdapterWish(FILE, 1.0, 0.5, None)] == 2
    assert AdapterWish(FILE, 1.0, 0.6) not in wishes
    assert hash(HypernetworkWish(HypernetworkFile("h", Path("/h.pt")), 1.0))


def test_wishes_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        AdapterWish(FILE, 1.0, 1.0).unet = 2.0  # type: ignore[misc]


def test_no_torch_is_imported() -> None:
    check = "import sys, sdapi_compat.backend.adapters.wish; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
