"""Tensors from a weight file, whatever its name: safetensors or a pickle that may not run code."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from sdapi_compat.backend.headers import BadWeightFile, read_header
from sdapi_compat.backend.sniff import FileKind, sniff

Tensors = dict[str, Tensor]

_SAFETENSORS_SUFFIX = ".safetensors"
_REASON_IN_MESSAGE = re.compile(r"WeightsUnpickler error:\s*(.+)")
_GLOBAL_IN_MESSAGE = re.compile(r"GLOBAL ([\w.]+)")


def read_tensors(path: Path) -> Tensors:
    """All tensors of a file by name, on the CPU, memory-mapped where the format allows.

    A pickle's "state_dict" is taken when it has one. Raises BadWeightFile with the reason for everything that
    is damaged, truncated, not a weight file, or names globals outside the allow-list.
    """
    kind = sniff(path)
    if kind is FileKind.SAFETENSORS:
        return _read_safetensors(path)
    if kind is FileKind.UNKNOWN:
        raise BadWeightFile("neither a safetensors file nor a torch pickle")
    return _state_dict(read_pickle(path))


def _read_safetensors(path: Path) -> Tensors:
    read_header(path)
    try:
        return load_file(str(path), device="cpu")
    except (SafetensorError, OSError) as error:
        raise BadWeightFile(f"damaged safetensors file: {error}") from error


def read_pickle(path: Path) -> Any:
    """The object of a torch pickle, loaded with `weights_only` and an allow-list. Raises BadWeightFile."""
    is_zip = sniff(path) is FileKind.ZIP_PICKLE
    try:
        with torch.serialization.safe_globals(list(_allowed())):
            if not is_zip or path.suffix.lower() == _SAFETENSORS_SUFFIX:
                # torch.load would judge a path by that suffix; an open file it judges by content.
                with path.open("rb") as file:
                    return torch.load(file, map_location="cpu", weights_only=True)
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise BadWeightFile(_refusal(path, str(error), is_zip)) from error
    except (RuntimeError, EOFError, OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise BadWeightFile(f"damaged pickle: {error}") from error


class _Inert:
    """Stands for classes found in old checkpoints whose content nobody needs; keeps no state."""

    def __setstate__(self, state: object) -> None:
        """Drop the state."""


def _allowed() -> Iterable[Any]:
    """Globals of harmless things that checkpoints carry along with their tensors."""
    yield nn.ParameterDict
    yield _Inert, "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint"
    yield _Inert, "pytorch_lightning.callbacks.early_stopping.EarlyStopping"
    scalar = np.float64(0).__reduce__()[0]
    yield scalar, "numpy.core.multiarray.scalar"
    yield scalar, "numpy._core.multiarray.scalar"
    yield np.dtype
    yield from (type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64, np.int32))


def _refusal(path: Path, message: str, is_zip: bool) -> str:
    unsafe = torch.serialization.get_unsafe_globals_in_checkpoint(str(path)) if is_zip else []
    names = unsafe or _GLOBAL_IN_MESSAGE.findall(message)
    if names:
        return f"the pickle names code that is not allowed: {', '.join(sorted(set(names)))}"
    reason = _REASON_IN_MESSAGE.search(message)
    return f"damaged or unsafe pickle: {reason.group(1) if reason else message}"


def _state_dict(loaded: object) -> Tensors:
    if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, dict):
        raise BadWeightFile("the pickle holds no dictionary of tensors")
    return {name: value for name, value in loaded.items() if isinstance(value, Tensor)}
