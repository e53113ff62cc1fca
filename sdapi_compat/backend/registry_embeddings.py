"""The list of textual-inversion embeddings with their widths. Torch-free: shapes only, no vectors."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from sdapi_compat.backend.headers import BadWeightFile, read_header
from sdapi_compat.backend.pickle_outline import ModuleOutline, TensorOutline, read_outline
from sdapi_compat.backend.registry_files import walk
from sdapi_compat.backend.sniff import FileKind, sniff

_log = logging.getLogger(__name__)
_SUFFIXES = frozenset({".pt", ".bin", ".safetensors"})
_SDXL_KEYS = ("clip_g", "clip_l")


class EmbeddingFile(msgspec.Struct, frozen=True):
    """One embedding with the fields of GET /sdapi/v1/embeddings."""

    name: str
    """File stem: the text that stands for it in a prompt."""
    path: Path
    width: int
    """Length of one vector ("shape" on the wire); clip_g and clip_l added up for SDXL."""
    vectors: int
    """How many tokens it takes."""
    step: int | None = None
    sd_checkpoint: str | None = None
    sd_checkpoint_name: str | None = None
    version: tuple[int, int] = (0, 0)
    """(modification time in ns, bytes) when listed."""


class EmbeddingSplit(msgspec.Struct, frozen=True):
    """Embeddings that fit the loaded model, sorted by lower-cased name, and those that do not."""

    loaded: dict[str, EmbeddingFile]
    skipped: dict[str, EmbeddingFile]


class EmbeddingRegistry:
    """An immutable list of embeddings keyed by stem."""

    def __init__(self, files: Iterable[EmbeddingFile]) -> None:
        """Of equal stems the later file wins."""
        self._by_name = {file.name: file for file in files}

    @classmethod
    def scan(cls, folder: Path) -> EmbeddingRegistry:
        """List --embeddings-dir. Unreadable files are reported and left out, empty ones left out quietly."""
        return cls(file for path in walk(folder, _SUFFIXES) if (file := _describe(path)) is not None)

    def __iter__(self) -> Iterator[EmbeddingFile]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def find(self, name: str) -> EmbeddingFile | None:
        """The embedding with this stem."""
        return self._by_name.get(name)

    def split(self, width: int | None) -> EmbeddingSplit:
        """Which embeddings fit text vectors of `width`; None (no model loaded yet) fits every one."""
        ordered = sorted(self, key=lambda file: file.name.lower())
        fits = {file.name: width is None or file.width == width for file in self}
        return EmbeddingSplit(
            loaded={file.name: file for file in ordered if fits[file.name]},
            skipped={file.name: file for file in self if not fits[file.name]},
        )


def _describe(path: Path) -> EmbeddingFile | None:
    try:
        status = path.stat()
        if status.st_size == 0:
            return None
        content = _outline(path)
        vectors, width = _dimensions(content)
    except (OSError, BadWeightFile) as error:
        _log.warning("leaving out the embedding %s: %s", path, error)
        return None
    return EmbeddingFile(
        name=path.stem,
        path=path.absolute(),
        width=width,
        vectors=vectors,
        step=_field(content, "step", int),
        sd_checkpoint=_field(content, "sd_checkpoint", str),
        sd_checkpoint_name=_field(content, "sd_checkpoint_name", str),
        version=(status.st_mtime_ns, status.st_size),
    )


def _outline(path: Path) -> Mapping[str, Any]:
    if sniff(path) is FileKind.SAFETENSORS:
        return {name: TensorOutline(shape) for name, shape in read_header(path).shapes.items()}
    content = read_outline(path)
    if not isinstance(content, Mapping):
        raise BadWeightFile("the pickle holds no dictionary")
    return content


def _dimensions(content: Mapping[str, Any]) -> tuple[int, int]:
    """(vectors, width) of the three layouts: string_to_param, SDXL's clip_g + clip_l, a single tensor."""
    if "string_to_param" in content:
        parameters = content["string_to_param"]
        if isinstance(parameters, ModuleOutline):
            parameters = parameters.state.get("_parameters", {})
        return _single(parameters)
    if all(key in content for key in _SDXL_KEYS):
        parts = [_rows_and_width(content[key]) for key in _SDXL_KEYS]
        return parts[0][0], sum(width for _, width in parts)
    return _single(content)


def _single(tensors: object) -> tuple[int, int]:
    if not isinstance(tensors, Mapping) or len(tensors) != 1:
        raise BadWeightFile("neither a textual inversion nor a single tensor")
    return _rows_and_width(next(iter(tensors.values())))


def _rows_and_width(tensor: object) -> tuple[int, int]:
    if not isinstance(tensor, TensorOutline) or len(tensor.shape) not in (1, 2):
        raise BadWeightFile("the vectors are not a matrix")
    return (1, *tensor.shape)[-2], tensor.shape[-1]


def _field(content: Mapping[str, Any], key: str, kind: type[Any]) -> Any:
    value = content.get(key)
    return value if isinstance(value, kind) else None
