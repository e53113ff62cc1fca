"""The list of checkpoints: what exists, how it is called, and which one a text means. Torch-free."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

import msgspec

from sdapi_compat.backend.hashes import HashCache, fingerprint, legacy_hash
from sdapi_compat.backend.registry_files import is_diffusers_folder, walk_checkpoints
from sdapi_compat.errors import Fault

_SUFFIXES = frozenset({".ckpt", ".safetensors"})
_VAE_ENDINGS = (".vae.ckpt", ".vae.safetensors")
_TRAILING_HASH = re.compile(r"\s*\[[^\]]*\]\s*$")


class CheckpointInfo(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One checkpoint file or diffusers folder, with the names A1111 1.10.1 gives it."""

    path: Path
    """Absolute path of the file or folder."""
    name: str
    """Path relative to the folder it was listed from (with subfolders), else the base name."""
    legacy_hash: str
    """8 hex digits; "" when the file could not be read."""
    sha256: str | None = None
    """64 hex digits once known: computed at the first load, remembered in the hash cache."""
    config: Path | None = None
    """A .yaml with the same stem beside the file."""
    version: tuple[int, int] = (0, 0)
    """(modification time in ns, bytes) when listed; tells a replaced file from the loaded one."""
    is_folder: bool = False

    @property
    def filename(self) -> str:
        """The path as text."""
        return str(self.path)

    @cached_property
    def name_for_extra(self) -> str:
        """Base name without its ending: "Model" in the infotext."""
        return self.path.name if self.is_folder else self.path.stem

    @cached_property
    def model_name(self) -> str:
        """Name with separators replaced and without its ending."""
        flat = self.name.replace("/", "_").replace("\\", "_")
        return flat if self.is_folder else os.path.splitext(flat)[0]

    @property
    def shorthash(self) -> str | None:
        """First 10 hex digits of the sha256, None while it is unknown: "Model hash" in the infotext."""
        return None if self.sha256 is None else self.sha256[:10]

    @property
    def title(self) -> str:
        """ "name [shorthash]", or the bare name while the hash is unknown."""
        return _with_hash(self.name, self.shorthash)

    @property
    def short_title(self) -> str:
        """ "name_for_extra [shorthash]"."""
        return _with_hash(self.name_for_extra, self.shorthash)

    @property
    def aliases(self) -> list[str]:
        """Every text that means this checkpoint exactly."""
        legacy = [self.legacy_hash] if self.legacy_hash else []
        texts = [*legacy, self.model_name, self.title, self.name, self.name_for_extra]
        texts += [f"{self.name} [{text}]" for text in legacy]
        if self.sha256 is not None and self.shorthash is not None:
            texts += [self.shorthash, self.sha256, self.title, self.short_title]
        return texts


def _with_hash(name: str, shorthash: str | None) -> str:
    return name if shorthash is None else f"{name} [{shorthash}]"


class CheckpointPlaces(msgspec.Struct, frozen=True, kw_only=True):
    """Where checkpoints are looked for."""

    models: Path
    """models/Stable-diffusion."""
    ckpt_dir: Path | None = None
    """--ckpt-dir."""
    ckpt: Path | None = None
    """--ckpt: listed first and selected when it exists."""
    embedded: Path | None = None
    """The checkpoint that ships with the product: a diffusers folder, listed after the user's own."""
    list_hidden: bool = True
    """Option list_hidden_files."""

    @property
    def folders(self) -> list[Path]:
        """The folders to list, in order."""
        if self.ckpt_dir is None or self.ckpt_dir == self.models:
            return [self.models]
        nested = self.ckpt_dir / "experiments" / "pretrained_models"
        return [nested if nested.is_dir() else self.ckpt_dir, self.models]


class CheckpointRegistry:
    """An immutable list of checkpoints; `scan` makes it, a refresh replaces it."""

    def __init__(
        self,
        checkpoints: Iterable[CheckpointInfo],
        pinned: CheckpointInfo | None = None,
        preferred: CheckpointInfo | None = None,
    ) -> None:
        """Of equal names and aliases the later checkpoint wins; `preferred` wins over all."""
        self._by_name = {info.name: info for info in checkpoints}
        self._pinned = None if pinned is None else pinned.name
        ranked = [*self._by_name.values(), *([] if preferred is None else [preferred])]
        self._aliases = {alias: info.name for info in ranked for alias in info.aliases}

    @classmethod
    def scan(cls, places: CheckpointPlaces, hashes: HashCache | None) -> CheckpointRegistry:
        """List the folders. `hashes` None means --no-hashing: every sha256 stays None."""
        pinned = None
        if places.ckpt is not None and places.ckpt.exists():
            pinned = describe(places.ckpt, places, hashes)
        listed = [describe(path, places, hashes) for path in _listed_paths(places)]
        return cls([pinned, *listed] if pinned is not None else listed, pinned)

    def __iter__(self) -> Iterator[CheckpointInfo]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    @property
    def pinned(self) -> CheckpointInfo | None:
        """The --ckpt checkpoint, which overrides the configured one at start."""
        return None if self._pinned is None else self._by_name[self._pinned]

    def find(self, alias: str) -> CheckpointInfo | None:
        """The checkpoint with exactly this alias."""
        name = self._aliases.get(alias)
        return None if name is None else self._by_name[name]

    def closest(self, text: str) -> CheckpointInfo | None:
        """A1111 1.10.1 behaviour for refiner_checkpoint, hr_checkpoint_name and pasted infotext.

        Exact alias; else the shortest title containing the text; else the same without a trailing " [hash]".
        """
        if not text:
            return None
        exact = self.find(text)
        if exact is not None:
            return exact
        return self._containing(text) or self._containing(_TRAILING_HASH.sub("", text))

    def _containing(self, text: str) -> CheckpointInfo | None:
        found = [info for info in self if text and text in info.title]
        return min(found, key=lambda info: len(info.title), default=None)

    def select(self, configured: str | None) -> CheckpointInfo:
        """The checkpoint for the option sd_model_checkpoint: exact alias, else the first of the list.

        Raises Fault("FileNotFoundError") when there is no checkpoint at all.
        """
        found = self.find(configured) if configured else None
        if found is None:
            found = next(iter(self), None)
        if found is None:
            raise Fault("FileNotFoundError", "no checkpoint found in the model folders")
        return found

    def with_hash(self, info: CheckpointInfo, sha256: str) -> CheckpointRegistry:
        """A registry in which `info` carries its hash; its aliases win over equal ones, its place is kept.

        A checkpoint that is not listed any more leaves the registry as it is.
        """
        listed = self._by_name.get(info.name)
        if listed is None or listed.path != info.path:
            return self
        hashed = msgspec.structs.replace(listed, sha256=sha256)
        return CheckpointRegistry({**self._by_name, info.name: hashed}.values(), self.pinned, hashed)


def describe(path: Path, places: CheckpointPlaces, hashes: HashCache | None) -> CheckpointInfo:
    """What is known about one checkpoint without loading it (64 KiB are read for the legacy hash)."""
    path = path.absolute()
    is_folder = is_diffusers_folder(path)
    config = path.with_suffix(".yaml")
    return CheckpointInfo(
        path=path,
        name=_relative_name(path, places),
        legacy_hash=_legacy_hash_or_nothing(path),
        sha256=None if hashes is None else hashes.known(path),
        config=config if not is_folder and config.is_file() else None,
        version=fingerprint(path),
        is_folder=is_folder,
    )


def _listed_paths(places: CheckpointPlaces) -> Iterator[Path]:
    for folder in places.folders:
        for path in walk_checkpoints(folder, _SUFFIXES, list_hidden=places.list_hidden):
            if path.exists() and not path.name.lower().endswith(_VAE_ENDINGS):
                yield path
    if places.embedded is not None and is_diffusers_folder(places.embedded):
        yield places.embedded


def _relative_name(path: Path, places: CheckpointPlaces) -> str:
    for folder in (places.ckpt_dir, places.models):
        if folder is not None and path.is_relative_to(folder.absolute()):
            return str(path.relative_to(folder.absolute()))
    return path.name


def _legacy_hash_or_nothing(path: Path) -> str:
    try:
        return legacy_hash(path)
    except OSError:
        return ""
