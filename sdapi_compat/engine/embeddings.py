"""Textual inversions that fit one model: found in prompts, hashed for the infotext."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdapi_compat.prompt.embeddings import EmbeddingIndex, EmbeddingName

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sdapi_compat.backend.hashes import HashCache
    from sdapi_compat.backend.registry_embeddings import EmbeddingFile
    from sdapi_compat.prompt.chunks import Vocabulary
    from sdapi_compat.prompt.embeddings import EmbeddingMatch


class KnownEmbeddings:
    """An `EmbeddingFinder` over files by name. `hashes` None: --no-hashing."""

    def __init__(
        self, files: Mapping[str, EmbeddingFile], vocabulary: Vocabulary, hashes: HashCache | None
    ) -> None:
        self._files = files
        self._hashes = hashes
        ids = vocabulary.tokenize(list(files))
        named = zip(files.values(), ids, strict=True)
        self._index = EmbeddingIndex(EmbeddingName(file.name, found, file.vectors) for file, found in named)

    def find(self, tokens: Sequence[int], position: int) -> EmbeddingMatch | None:
        """The embedding whose name begins at `position`."""
        return self._index.find(tokens, position)

    def hashes(self, names: Iterable[str]) -> str:
        """ "name: hash, ..." of the infotext's "TI hashes"; "" without hashing."""
        if self._hashes is None:
            return ""
        found = ((name, self._hashes.obtain(self._files[name].path)[:12]) for name in names)
        return ", ".join(f"{name}: {digest}" for name, digest in found)
