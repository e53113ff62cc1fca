"""The list of separate VAE files and the rule that picks one for a checkpoint. Torch-free."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from sdapi_compat.backend.registry import CheckpointInfo
from sdapi_compat.backend.registry_files import natural_key, walk

_log = logging.getLogger(__name__)
_SUFFIXES = frozenset({".ckpt", ".pt", ".safetensors"})
_BESIDE_CHECKPOINTS = (".vae.ckpt", ".vae.pt", ".vae.safetensors")
_AUTOMATIC = frozenset({"Automatic", "auto"})
_NONE = "None"


class VaeFile(msgspec.Struct, frozen=True):
    """A separate VAE. `name` is the base file name, as in the option sd_vae and the infotext."""

    name: str
    path: Path


class VaePlaces(msgspec.Struct, frozen=True, kw_only=True):
    """Where VAE files are looked for."""

    checkpoints: Path
    """models/Stable-diffusion: only *.vae.* files count."""
    vae: Path
    """models/VAE: every weight file counts."""
    ckpt_dir: Path | None = None
    """--ckpt-dir: only *.vae.* files count."""
    vae_dir: Path | None = None
    """--vae-dir: every weight file counts."""
    list_hidden: bool = True


class VaeWish(msgspec.Struct, frozen=True, kw_only=True):
    """What a request's options say about the VAE."""

    setting: str = "Automatic"
    """Option sd_vae."""
    overrides_per_model: bool = True
    """Option sd_vae_overrides_per_model_preferences."""
    forced: Path | None = None
    """--vae-path."""


class VaeRegistry:
    """An immutable list of VAE files keyed by base name."""

    def __init__(self, files: Iterable[VaeFile]) -> None:
        """Of equal names the later file wins, at the place of the first."""
        self._by_name = {file.name: file for file in files}

    @classmethod
    def scan(cls, places: VaePlaces) -> VaeRegistry:
        """List the folders, all files together in natural order of their paths."""
        paths = list(_beside(places.checkpoints, places)) + list(_all(places.vae, places))
        if places.ckpt_dir is not None:
            paths += _beside(places.ckpt_dir, places)
        if places.vae_dir is not None:
            paths += _all(places.vae_dir, places)
        ordered = sorted(paths, key=lambda path: natural_key(str(path)))
        return cls(VaeFile(path.name, path.absolute()) for path in ordered)

    def __iter__(self) -> Iterator[VaeFile]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def find(self, name: str) -> VaeFile | None:
        """The VAE with this base file name."""
        return self._by_name.get(name)

    def resolve(self, checkpoint: CheckpointInfo, wish: VaeWish) -> VaeFile | None:
        """The VAE file to use with a checkpoint; None means the one baked into it.

        A1111 1.10.1 behaviour, first that applies: --vae-path; the option when it overrides and is not
        Automatic; "vae" in the checkpoint's metadata .json; the first VAE whose name starts with the
        checkpoint's stem; the option. An unknown name in the option is reported and means the baked one.
        """
        if wish.forced is not None:
            return VaeFile(wish.forced.name, wish.forced.absolute())
        if wish.overrides_per_model and wish.setting not in _AUTOMATIC:
            return self._from_setting(wish.setting)
        preferred = _preferred_name(checkpoint)
        if preferred == _NONE:
            return None
        return self.find(preferred or "") or self._near(checkpoint) or self._from_setting(wish.setting)

    def _near(self, checkpoint: CheckpointInfo) -> VaeFile | None:
        return next((file for file in self if file.name.startswith(checkpoint.name_for_extra)), None)

    def _from_setting(self, setting: str) -> VaeFile | None:
        found = self.find(setting)
        if found is None and setting != _NONE and setting not in _AUTOMATIC:
            _log.warning("VAE %r is not in the list, using the checkpoint's own", setting)
        return found


def _beside(folder: Path, places: VaePlaces) -> list[Path]:
    return [path for path in _all(folder, places) if path.name.lower().endswith(_BESIDE_CHECKPOINTS)]


def _all(folder: Path, places: VaePlaces) -> Iterator[Path]:
    return walk(folder, _SUFFIXES, list_hidden=places.list_hidden)


def _preferred_name(checkpoint: CheckpointInfo) -> str | None:
    """ "vae" of the user metadata beside the checkpoint; None when absent or "Automatic"."""
    try:
        metadata = json.loads(checkpoint.path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    name = metadata.get("vae") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) and name not in _AUTOMATIC else None
