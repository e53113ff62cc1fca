"""The models in memory. Owned by the device thread."""

from __future__ import annotations

import gc
from typing import NamedTuple

import msgspec
import torch

from sdapi_compat.backend.hashes import HashCache
from sdapi_compat.backend.loading import load_checkpoint, load_vae
from sdapi_compat.backend.model import DiffusionModel
from sdapi_compat.backend.policy import DevicePolicy
from sdapi_compat.backend.registry import CheckpointInfo
from sdapi_compat.backend.registry_vae import VaeFile
from sdapi_compat.errors import Fault


class _Request(NamedTuple):
    info: CheckpointInfo
    vae: VaeFile | None


class ModelStore:
    """Loads models on demand and keeps the `limit` used last; one is on the device, the others on the CPU.

    A load that fails leaves everything as it was.
    """

    def __init__(self, policy: DevicePolicy, hashes: HashCache | None, limit: int = 1) -> None:
        """`hashes` None: --no-hashing. `limit`: option sd_checkpoints_limit; may be changed at any time."""
        self.policy = policy
        self.limit = limit
        self._hashes = hashes
        self._models: list[DiffusionModel] = []
        self._last: _Request | None = None

    @property
    def current(self) -> DiffusionModel | None:
        """The model used last, None when none is loaded."""
        return self._models[-1] if self._models else None

    def get(self, info: CheckpointInfo, vae: VaeFile | None = None) -> DiffusionModel:
        """The model of a checkpoint with a separate VAE or its own, on the device.

        Its `info` carries the sha256 unless hashing is off; a file replaced on disk and listed again is
        loaded again. Raises Fault("RuntimeError") naming the file and the reason.
        """
        model = self._loaded(info)
        if model is None:
            model = self._load(info, vae)
        else:
            self._make_current(model)
            if model.vae != vae:
                model.use_codec(vae, None if vae is None else load_vae(vae, model.vae_config, self.policy))
        self._last = _Request(info, vae)
        return model

    def unload(self) -> None:
        """Give back the memory of all models; the next `get` loads again."""
        self._models.clear()
        self.free()

    def reload(self) -> DiffusionModel | None:
        """Load what was used last, if anything was."""
        return None if self._last is None else self.get(*self._last)

    def free(self) -> None:
        """Give back cached memory that nothing uses."""
        gc.collect()
        if self.policy.device.type == "cuda":
            torch.cuda.empty_cache()

    def _loaded(self, info: CheckpointInfo) -> DiffusionModel | None:
        wanted = (info.path, info.version)
        return next(
            (model for model in self._models if (model.info.path, model.info.version) == wanted), None
        )

    def _make_current(self, model: DiffusionModel) -> None:
        if model is self.current:
            return
        if self.current is not None:
            self.current.leave()
        model.come_back()
        self._models.remove(model)
        self._models.append(model)

    def _load(self, info: CheckpointInfo, vae: VaeFile | None) -> DiffusionModel:
        previous = self.current
        if previous is not None:
            previous.leave()
        try:
            model = load_checkpoint(info, vae, self.policy)
            model.info = self._hashed(info)
        except (Fault, OSError):
            if previous is not None:
                previous.come_back()
            raise
        self._models.append(model)
        del self._models[: -max(1, self.limit)]
        self.free()
        return model

    def _hashed(self, info: CheckpointInfo) -> CheckpointInfo:
        if self._hashes is None:
            return info
        return msgspec.structs.replace(info, sha256=self._hashes.obtain(info.path))
