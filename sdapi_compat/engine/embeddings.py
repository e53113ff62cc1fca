"""Textual inversions that fit one model: found in prompts, named in the infotext."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sdapi_compat.prompt.embeddings import EmbeddingIndex, EmbeddingName

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from torch import Tensor

    from sdapi_compat.backend.hashes import HashCache
    from sdapi_compat.backend.registry_embeddings import EmbeddingFile
    from sdapi_compat.prompt.chunks import Vocabulary
    from sdapi_compat.prompt.embeddings import EmbeddingMatch

UNQUOTED = str.maketrans("", "", ":,")
"""Takes out of a name what would end its pair in the infotext."""


class Bundled(NamedTuple):
    """A textual inversion inside a LoRA: its vectors, float32 (vectors, width).

    `lora`: what the prompt calls the LoRA; `version`: what tells its file from a later one.
    """

    vectors: Tensor
    lora: str
    version: Hashable


class KnownEmbeddings:
    """An `EmbeddingFinder` over files and what LoRAs bring along, by name. `hashes` None: --no-hashing.

    A1111 1.10.1 behaviour: a file on disk goes before what a LoRA has under its name.
    """

    def __init__(
        self,
        files: Mapping[str, EmbeddingFile],
        vocabulary: Vocabulary,
        hashes: HashCache | None,
        bundled: Mapping[str, Bundled] | None = None,
    ) -> None:
        self._files = files
        self._vocabulary = vocabulary
        self._hashes = hashes
        self._bundled = {name: one for name, one in (bundled or {}).items() if name not in files}
        counts = {name: file.vectors for name, file in files.items()}
        counts |= {name: int(one.vectors.shape[0]) for name, one in self._bundled.items()}
        named = zip(counts.items(), vocabulary.tokenize(list(counts)), strict=True)
        self._index = EmbeddingIndex(EmbeddingName(name, ids, count) for (name, count), ids in named)

    def with_bundled(self, bundled: Mapping[str, Bundled]) -> KnownEmbeddings:
        """The files, and what LoRAs bring along."""
        return KnownEmbeddings(self._files, self._vocabulary, self._hashes, bundled)

    def find(self, tokens: Sequence[int], position: int) -> EmbeddingMatch | None:
        """The embedding whose name begins at `position`."""
        return self._index.find(tokens, position)

    def files(self, names: Iterable[str]) -> list[EmbeddingFile]:
        """Those of `names` that lie on disk."""
        return [self._files[name] for name in names if name in self._files]

    def bundled(self, names: Iterable[str]) -> dict[str, Bundled]:
        """Those of `names` that a LoRA brings along."""
        return {name: self._bundled[name] for name in names if name in self._bundled}

    def hashes(self, names: Iterable[str], *, bundled: bool) -> str:
        """ "name: hash, ..." of the infotext's "TI hashes"; none of files without hashing.

        `bundled`: name those that LoRAs bring along as well, with the name of the LoRA for a hash.
        """
        found = ((name, self._hash(name, bundled=bundled)) for name in names)
        return ", ".join(f"{name.translate(UNQUOTED)}: {digest}" for name, digest in found if digest)

    def _hash(self, name: str, *, bundled: bool) -> str:
        if name in self._bundled:
            return self._bundled[name].lora if bundled else ""
        return "" if self._hashes is None else self._hashes.obtain(self._files[name].path)[:12]
