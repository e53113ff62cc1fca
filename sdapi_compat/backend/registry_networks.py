"""The lists of LoRA files and hypernetworks. Torch-free."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from sdapi_compat.backend.hashes import HashCache
from sdapi_compat.backend.headers import BadWeightFile, read_metadata
from sdapi_compat.backend.registry_files import walk
from sdapi_compat.backend.sniff import FileKind, sniff

_log = logging.getLogger(__name__)
LORA_SUFFIXES = frozenset({".pt", ".ckpt", ".safetensors"})
_HYPERNETWORK_SUFFIXES = frozenset({".pt"})
_NOT_SHOWN = "ssmd_cover_images"
_FIRST_KEYS = (
    "ss_sd_model_name",
    "ss_resolution",
    "ss_clip_skip",
    "ss_num_train_images",
    "ss_tag_frequency",
)


class LoraFile(msgspec.Struct, frozen=True):
    """One LoRA file with the fields of GET /sdapi/v1/loras."""

    name: str
    """File stem."""
    alias: str
    """ss_output_name of the metadata, else the stem."""
    path: Path
    metadata: dict[str, Any]

    def full_hash(self, hashes: HashCache | None) -> str:
        """The hash a LoRA is known by: sshs_model_hash of the metadata, else sha256 of the weights.

        For safetensors the header is left out of the sha256. "" when hashing is off and no metadata has it.
        """
        stored = self.metadata.get("sshs_model_hash")
        if isinstance(stored, str) and stored:
            return stored
        if hashes is None:
            return ""
        return hashes.obtain(self.path, "data" if sniff(self.path) is FileKind.SAFETENSORS else "file")

    def shorthash(self, hashes: HashCache | None) -> str:
        """First 12 digits of `full_hash`: "Lora hashes" in the infotext."""
        return self.full_hash(hashes)[:12]


class LoraRegistry:
    """An immutable list of LoRA files keyed by stem."""

    def __init__(self, files: Iterable[LoraFile]) -> None:
        """Of equal stems the later file wins, at the place of the first."""
        self._by_name = {file.name: file for file in files}
        self._by_alias: dict[str, LoraFile] = {}
        self._forbidden = {"none"}
        for file in self._by_name.values():
            if file.alias in self._by_alias:
                self._forbidden.add(file.alias.lower())
            self._by_alias[file.name] = file
            self._by_alias[file.alias] = file

    @classmethod
    def scan(cls, folders: Iterable[Path], *, list_hidden: bool = True) -> LoraRegistry:
        """List --lora-dir and --lyco-dir-backcompat, in that order."""
        paths = (path for folder in folders for path in walk(folder, LORA_SUFFIXES, list_hidden=list_hidden))
        return cls(_describe_lora(path) for path in paths)

    def __iter__(self) -> Iterator[LoraFile]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def find(self, name: str) -> LoraFile | None:
        """The LoRA a `<lora:name>` tag means; exact case.

        A1111 1.10.1 behaviour: alias or stem; for an alias of two files, or "none", the stem only.
        """
        if name.lower() in self._forbidden:
            return self._by_name.get(name)
        return self._by_alias.get(name)

    def preferred_name(self, file: LoraFile, *, by_alias: bool) -> str:
        """How a file is written in a prompt: its alias when wanted (lora_preferred_name) and usable."""
        return file.alias if by_alias and file.alias.lower() not in self._forbidden else file.name


class HypernetworkFile(msgspec.Struct, frozen=True):
    """One hypernetwork with the fields of GET /sdapi/v1/hypernetworks."""

    name: str
    path: Path


class HypernetworkRegistry:
    """An immutable list of hypernetwork files keyed by stem; a file named "None" cannot be one."""

    def __init__(self, files: Iterable[HypernetworkFile]) -> None:
        self._by_name = {file.name: file for file in files}

    @classmethod
    def scan(cls, folder: Path) -> HypernetworkRegistry:
        """List *.pt under --hypernetwork-dir, sorted by lower-cased path."""
        paths = sorted(walk(folder, _HYPERNETWORK_SUFFIXES), key=lambda path: str(path).lower())
        return cls(HypernetworkFile(path.stem, path.absolute()) for path in paths if path.stem != "None")

    def __iter__(self) -> Iterator[HypernetworkFile]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def find(self, name: str) -> HypernetworkFile | None:
        """The hypernetwork with this stem."""
        return self._by_name.get(name)


def _describe_lora(path: Path) -> LoraFile:
    path = path.absolute()
    metadata = _lora_metadata(path)
    alias = metadata.get("ss_output_name")
    return LoraFile(path.stem, alias if isinstance(alias, str) and alias else path.stem, path, metadata)


def _lora_metadata(path: Path) -> dict[str, Any]:
    """Training metadata, the keys people look at first; {} for an unreadable file, which stays listed."""
    try:
        metadata = read_metadata(path)
    except (OSError, BadWeightFile) as error:
        _log.warning("cannot read the metadata of %s: %s", path, error)
        return {}
    metadata.pop(_NOT_SHOWN, None)
    ranks = {key: rank for rank, key in enumerate(_FIRST_KEYS)}
    return dict(sorted(metadata.items(), key=lambda item: ranks.get(item[0], len(ranks))))
