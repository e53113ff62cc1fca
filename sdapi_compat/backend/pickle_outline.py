"""The outline of a torch pickle (scalars and tensor shapes) read without torch and without running its code.

The unpickler resolves every global through a fixed table of inert stand-ins; a global outside the table is
refused by name. Both the zip format and the format of torch < 1.6 are understood.
"""

from __future__ import annotations

import io
import pickle
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from sdapi_compat.backend.headers import BadWeightFile
from sdapi_compat.backend.sniff import FileKind, sniff

MAX_PICKLE_BYTES = 16 * 1024 * 1024
_LEGACY_PREAMBLES = 3  # magic number, protocol version, system information


class TensorOutline(NamedTuple):
    """A tensor of which only the shape is known."""

    shape: tuple[int, ...]


class ModuleOutline:
    """Stands for a torch container such as ParameterDict; its state dict is kept in `state`."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.state = state


def read_outline(path: Path) -> Any:
    """The object stored in a torch pickle with tensors replaced by TensorOutline.

    Raises BadWeightFile when the file is no pickle, is damaged, or names a global outside the table.
    """
    kind = sniff(path)
    try:
        if kind is FileKind.ZIP_PICKLE:
            return _OutlineUnpickler(io.BytesIO(_zip_member(path))).load()
        if kind is FileKind.LEGACY_PICKLE:
            with path.open("rb") as file:
                return _read_legacy(file)
    except _DAMAGE as error:
        raise BadWeightFile(f"damaged pickle: {error}") from error
    raise BadWeightFile("neither a safetensors file nor a torch pickle")


# What the pickle and zip readers raise on malformed input; RuntimeError: zipfile on an encrypted member.
_DAMAGE = (
    pickle.UnpicklingError, zipfile.BadZipFile, zlib.error, EOFError, LookupError, TypeError, ValueError,
    AttributeError, MemoryError, OverflowError, RuntimeError,
)  # fmt: skip


def _zip_member(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.filename.split("/")[-1] == "data.pkl":
                if entry.file_size > MAX_PICKLE_BYTES:
                    raise BadWeightFile(f"pickle of {entry.file_size} bytes, at most {MAX_PICKLE_BYTES}")
                return archive.read(entry)
    raise BadWeightFile("a zip archive without data.pkl")


def _read_legacy(file: BinaryIO) -> Any:
    limited = io.BytesIO(file.read(MAX_PICKLE_BYTES))
    for _ in range(_LEGACY_PREAMBLES):
        _OutlineUnpickler(limited).load()
    return _OutlineUnpickler(limited).load()


def _rebuild_tensor(
    _storage: object, _offset: object, size: tuple[int, ...], *_rest: object
) -> TensorOutline:
    return TensorOutline(tuple(int(n) for n in size))


def _rebuild_parameter(data: object, *_rest: object) -> object:
    return data


class _Storage:
    """Stands for every torch storage class."""


_GLOBALS: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("builtins", "set"): set,
    ("__builtin__", "set"): set,
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    ("torch.nn.parameter", "Parameter"): _rebuild_parameter,
    ("torch.nn.modules.container", "ParameterDict"): ModuleOutline,
}


class _OutlineUnpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str) -> Any:
        if module_name in ("torch", "torch.cuda") and global_name.endswith("Storage"):
            return _Storage
        found = _GLOBALS.get((module_name, global_name))
        if found is None:
            raise BadWeightFile(f"the pickle names {module_name}.{global_name}, which is not allowed")
        return found

    def persistent_load(self, pid: Any) -> Any:
        if isinstance(pid, tuple) and len(pid) > 1 and pid[0] == "module":
            return pid[1]  # the old format saves classes of modules this way, already looked up above
        return _Storage()
