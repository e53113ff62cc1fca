"""Adapters and hypernetworks for whatever model is in use. Owned by the device thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from sdapi_compat.backend.adapters.apply import AdapterSet
from sdapi_compat.backend.adapters.hypernet import HypernetworkSet
from sdapi_compat.backend.adapters.shelf import AdapterShelf
from sdapi_compat.backend.adapters.wish import AdapterWish, HypernetworkWish
from sdapi_compat.backend.model import DiffusionModel


class _Networks(NamedTuple):
    model: DiffusionModel
    adapters: AdapterSet
    hypernetworks: HypernetworkSet


class NetworkSwitch:
    """Keeps networks on at most one model, so that a model that waits in memory is always the base.

    It holds the model it was used on: call `release` before that model leaves the device or is unloaded.
    """

    def __init__(self, shelf: AdapterShelf | None = None, base_device: torch.device | None = None) -> None:
        """As for `AdapterSet`."""
        self._shelf = AdapterShelf() if shelf is None else shelf
        self._base_device = base_device
        self._on: _Networks | None = None

    def apply(
        self,
        model: DiffusionModel,
        adapters: Sequence[AdapterWish],
        hypernetworks: Sequence[HypernetworkWish] = (),
    ) -> None:
        """Give `model` exactly these networks, and the model before it none.

        Raises Fault as `AdapterSet.apply` and `HypernetworkSet.apply` do; then `model` has none of the kind
        that failed.
        """
        if self._on is None or self._on.model is not model:
            self.release()
            made = AdapterSet(model, self._shelf, self._base_device)
            self._on = _Networks(model, made, HypernetworkSet(model))
        self._on.adapters.apply(adapters)
        self._on.hypernetworks.apply(hypernetworks)

    def release(self) -> None:
        """Take all networks off the model and forget it."""
        if self._on is not None:
            self._on.adapters.apply(())
            self._on.hypernetworks.apply(())
        self._on = None
