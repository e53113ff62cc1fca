"""Textual inversions bundled inside adapter files."""

from __future__ import annotations

import logging
from collections import defaultdict

from torch import Tensor

from sdapi_compat.backend.adapters.shelf import BUNDLE_PREFIX
from sdapi_compat.backend.adapters.tensors import check_plain
from sdapi_compat.backend.headers import BadWeightFile
from sdapi_compat.backend.registry_networks import LoraFile
from sdapi_compat.backend.weights import read_tensors
from sdapi_compat.errors import Fault

_log = logging.getLogger(__name__)


def bundled_embeddings(file: LoraFile) -> dict[str, Tensor]:
    """{name: float32 (vectors, width)} of the textual inversions a file brings along.

    Their keys are "bundle_emb.NAME.string_to_param.*", or "bundle_emb.NAME." and the name of a tensor. One
    with several tensors, made for SDXL, is left out with a warning. Which of them count when the disk has an
    embedding of that name is for the caller to say. Raises Fault("RuntimeError") naming a file that cannot be
    read.
    """
    try:
        return _bundled(file)
    except (OSError, BadWeightFile) as error:
        raise Fault("RuntimeError", f"Cannot load {file.path.name}: {error}") from error


def _bundled(file: LoraFile) -> dict[str, Tensor]:
    found: defaultdict[str, list[Tensor]] = defaultdict(list)
    for key, tensor in read_tensors(file.path).items():
        if key.startswith(BUNDLE_PREFIX):
            check_plain(key, tensor)
            found[key.removeprefix(BUNDLE_PREFIX).partition(".")[0]].append(tensor)
    embeddings = {}
    for name, tensors in found.items():
        if len(tensors) != 1 or tensors[0].ndim not in (1, 2):
            _log.warning("%s: leaving out the bundled embedding %r: not one matrix", file.path.name, name)
            continue
        embeddings[name] = tensors[0].detach().float().reshape(-1, tensors[0].shape[-1]).clone()
    return embeddings
