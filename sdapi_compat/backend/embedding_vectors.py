"""The vectors of textual-inversion embeddings, read when a prompt first names them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from torch import Tensor, nn

from sdapi_compat.backend.headers import BadWeightFile
from sdapi_compat.backend.registry_embeddings import EmbeddingFile
from sdapi_compat.backend.sniff import FileKind, sniff
from sdapi_compat.backend.weights import read_pickle, read_tensors
from sdapi_compat.errors import Fault


class EmbeddingVectors:
    """Vectors by file, kept in memory. Owned by the device thread."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Path, tuple[int, int]], Tensor] = {}

    def obtain(self, files: Iterable[EmbeddingFile]) -> dict[str, Tensor]:
        """{name: float32 (vectors, width)} for `DiffusionModel.encode_chunks`.

        Raises Fault("RuntimeError") naming a file that cannot be read.
        """
        return {file.name: self._vectors(file) for file in files}

    def _vectors(self, file: EmbeddingFile) -> Tensor:
        key = (file.path, file.version)
        if key not in self._kept:
            try:
                self._kept[key] = read_vectors(file.path)
            except (BadWeightFile, OSError) as error:
                raise Fault("RuntimeError", f"Cannot load {file.path.name}: {error}") from error
        return self._kept[key]


def read_vectors(path: Path) -> Tensor:
    """The vectors of an SD 1.x or 2.x embedding, float32 (vectors, width). Raises BadWeightFile, OSError."""
    if sniff(path) is FileKind.SAFETENSORS:
        return _only_matrix(read_tensors(path))
    content = read_pickle(path)
    if isinstance(content, Mapping) and "string_to_param" in content:
        content = content["string_to_param"]
    if isinstance(content, nn.ParameterDict):
        content = content._parameters  # the one attribute that pickles of every torch version fill
    return _only_matrix(content)


def _only_matrix(tensors: object) -> Tensor:
    values = list(tensors.values()) if isinstance(tensors, Mapping) else []
    if len(values) != 1 or not isinstance(values[0], Tensor) or values[0].ndim not in (1, 2):
        raise BadWeightFile("Expected one matrix of vectors")
    matrix: Tensor = values[0].detach().float()
    return matrix.reshape(-1, matrix.shape[-1])
