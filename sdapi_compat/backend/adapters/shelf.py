"""Adapter files in memory. Owned by the device thread."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from sdapi_compat.backend.adapters.keys import split
from sdapi_compat.backend.adapters.tensors import Parts, check_plain
from sdapi_compat.backend.headers import BadWeightFile
from sdapi_compat.backend.registry_networks import HypernetworkFile, LoraFile
from sdapi_compat.backend.weights import read_tensors
from sdapi_compat.errors import Fault

BUNDLE_PREFIX = "bundle_emb."

Version = tuple[Path, int, int]
"""Path, modification time in ns, bytes."""


@dataclass(frozen=True)
class AdapterFile:
    """A file's tensors, on the CPU: parts by the layer's name in the file, and keys of no known style."""

    version: Version
    layers: Mapping[str, Parts]
    unknown: tuple[str, ...]


class AdapterShelf:
    """Reads adapter files and keeps those of the last call, and `limit` others used before."""

    def __init__(self, limit: int = 0) -> None:
        """`limit`: option lora_in_memory_limit; may be changed at any time."""
        self.limit = limit
        self._kept: OrderedDict[Version, AdapterFile] = OrderedDict()

    def obtain(self, files: Iterable[LoraFile]) -> list[AdapterFile]:
        """The content of the files, in their order.

        A file that changed on disk is read again. Raises Fault("RuntimeError") naming a file that cannot be
        read.
        """
        obtained = [self._obtain(file) for file in files]
        versions = {content.version for content in obtained}
        while len(self._kept) > len(versions) + max(0, self.limit):
            self._kept.popitem(last=False)
        return obtained

    def _obtain(self, file: LoraFile) -> AdapterFile:
        try:
            version = version_of(file)
            if version not in self._kept:
                self._kept[version] = _read(version)
        except (OSError, BadWeightFile) as error:
            raise Fault("RuntimeError", f"Cannot load {file.path.name}: {error}") from error
        self._kept.move_to_end(version)
        return self._kept[version]


def version_of(file: LoraFile | HypernetworkFile) -> Version:
    """What tells a file from its successor under the same name. Raises OSError."""
    status = file.path.stat()
    return file.path, status.st_mtime_ns, status.st_size


def _read(version: Version) -> AdapterFile:
    layers: dict[str, dict[str, Tensor]] = {}
    unknown = []
    for name, tensor in read_tensors(version[0]).items():
        if name.startswith(BUNDLE_PREFIX):
            continue
        key = split(name)
        if key is None:
            unknown.append(name)
            continue
        check_plain(name, tensor)
        layers.setdefault(key.layer, {})[key.part] = tensor
    return AdapterFile(version, layers, tuple(unknown))
