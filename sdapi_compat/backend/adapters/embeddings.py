"""Textual inversions bundled inside adapter files."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from sdapi_compat.backend.adapters.shelf import BUNDLE_PREFIX, Version, version_of
from sdapi_compat.backend.adapters.tensors import check_plain
from sdapi_compat.backend.headers import BadWeightFile, read_header
from sdapi_compat.backend.registry_networks import LoraFile
from sdapi_compat.backend.sniff import FileKind, sniff
from sdapi_compat.backend.weights import read_tensors
from sdapi_compat.errors import Fault

_log = logging.getLogger(__name__)
_PARAMETERS = "string_to_param."


class BundledEmbeddings:
    """What adapter files bring along, kept by file. Owned by the device thread."""

    def __init__(self) -> None:
        self._kept: dict[Version, Mapping[str, Tensor]] = {}

    def obtain(self, file: LoraFile) -> tuple[Version, Mapping[str, Tensor]]:
        """{name: float32 (vectors, width)} of the textual inversions in a file, and what tells it apart.

        Their keys are "bundle_emb.NAME.string_to_param.*", or "bundle_emb.NAME." and the name of a tensor.
        One with several tensors, made for SDXL, is left out with a warning. Which of them count when the disk
        has an embedding of that name is for the caller to say. Raises Fault("RuntimeError") naming a file
        that cannot be read.
        """
        try:
            version = version_of(file)
            if version not in self._kept:
                self._kept[version] = _read(file.path)
        except (OSError, BadWeightFile) as error:
            raise Fault("RuntimeError", f"Cannot load {file.path.name}: {error}") from error
        return version, self._kept[version]


def _read(path: Path) -> Mapping[str, Tensor]:
    if sniff(path) is FileKind.SAFETENSORS and not any(map(_is_bundled, read_header(path).tensors)):
        # Most files bring none; these need not be read.
        return {}
    found: defaultdict[str, dict[str, Tensor]] = defaultdict(dict)
    for key, tensor in read_tensors(path).items():
        if _is_bundled(key):
            check_plain(key, tensor)
            name, _, part = key.removeprefix(BUNDLE_PREFIX).partition(".")
            found[name][part] = tensor
    read = ((name, _matrix(name, parts, path)) for name, parts in found.items())
    return {name: matrix for name, matrix in read if matrix is not None}


def _is_bundled(key: str) -> bool:
    return key.startswith(BUNDLE_PREFIX)


def _matrix(name: str, parts: Mapping[str, Tensor], path: Path) -> Tensor | None:
    """The vectors of one embedding; what was saved beside its parameters does not count."""
    tensors = [tensor for part, tensor in parts.items() if part.startswith(_PARAMETERS)] or [*parts.values()]
    if len(tensors) != 1 or tensors[0].ndim not in (1, 2):
        _log.warning("%s: leaving out the bundled embedding %r: not one matrix", path.name, name)
        return None
    return tensors[0].detach().float().reshape(-1, tensors[0].shape[-1]).clone()
