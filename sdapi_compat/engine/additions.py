"""What files add to a model for a prompt: LoRAs, hypernetworks, textual inversions.

Made and used on the engine's thread only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdapi_compat.backend.adapters.embeddings import BundledEmbeddings
from sdapi_compat.backend.adapters.shelf import AdapterShelf, version_of
from sdapi_compat.backend.adapters.switch import NetworkSwitch
from sdapi_compat.backend.adapters.wish import AdapterWish, HypernetworkWish
from sdapi_compat.backend.embedding_vectors import EmbeddingVectors
from sdapi_compat.engine.embeddings import UNQUOTED, Bundled, KnownEmbeddings

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    import torch
    from torch import Tensor

    from sdapi_compat.backend.model import DiffusionModel
    from sdapi_compat.backend.registry_networks import LoraFile
    from sdapi_compat.catalog import Catalog
    from sdapi_compat.plan.plan import AdapterChoice, ModelChoice


class Additions:
    """Finds what a choice names, and brings a model to exactly that."""

    def __init__(self, catalog: Catalog, base_device: torch.device | None) -> None:
        """`base_device`: where base weights wait while a LoRA changes them; None: where they are."""
        self._catalog = catalog
        self._shelf = AdapterShelf()
        self._networks = NetworkSwitch(self._shelf, base_device)
        self._vectors = EmbeddingVectors()
        self._bundles = BundledEmbeddings()
        self._known: tuple[Hashable, KnownEmbeddings] | None = None
        self._wider: tuple[Hashable, KnownEmbeddings] | None = None

    def release(self) -> None:
        """Take all networks off the model that has them."""
        self._networks.release()

    def look_again(self, choice: ModelChoice) -> None:
        """Find files that came since the last look.

        A1111 1.10.1 behaviour: embeddings at every generation, LoRAs when a prompt names one nobody knows.
        """
        self._catalog.look_for_embeddings()
        if any(self._catalog.loras.find(one.name) is None for one in choice.adapters):
            self._catalog.look_for_loras()

    def apply(self, model: DiffusionModel, choice: ModelChoice, kept: int) -> None:
        """Bring the model to exactly the networks that `choice` says; no work when it has them already.

        `kept`: LoRAs to keep in memory beside those in use.
        """
        wishes = [
            AdapterWish(file, one.text_encoder, one.unet, one.rank) for one, file in self._adapters(choice)
        ]
        found = ((self._catalog.hypernetworks.find(one.name), one) for one in choice.hypernetworks)
        hypernetworks = [HypernetworkWish(file, one.multiplier) for file, one in found if file is not None]
        self._shelf.limit = kept
        self._networks.apply(model, wishes, hypernetworks)

    def _adapters(self, choice: ModelChoice) -> list[tuple[AdapterChoice, LoraFile]]:
        """The adapters that exist. A1111 1.10.1 behaviour: names nobody knows are ignored."""
        found = [(one, self._catalog.loras.find(one.name)) for one in choice.adapters]
        return [(one, file) for one, file in found if file is not None]

    def adapters_key(self, choice: ModelChoice) -> Hashable:
        """Equal for choices whose LoRAs change a text encoder in the same way."""
        return tuple((one, version_of(file)) for one, file in self._adapters(choice))

    def adapter_hashes(self, choice: ModelChoice) -> str:
        """ "name: hash, ..." of the infotext's "Lora hashes"."""
        names = {one.name: file for one, file in self._adapters(choice)}
        hashes = ((name, file.shorthash(self._catalog.hashes)) for name, file in names.items())
        return ", ".join(f"{name.translate(UNQUOTED)}: {found}" for name, found in hashes if found)

    def embeddings(self, model: DiffusionModel, choice: ModelChoice) -> KnownEmbeddings:
        """The textual inversions that fit the model's text vectors: those on disk and in LoRAs of `choice`.

        Raises Fault("RuntimeError") for a LoRA that cannot be read.
        """
        registry = self._catalog.embeddings
        key: Hashable = (registry, model.info.path)
        if self._known is None or self._known[0] != key:
            files = registry.split(model.text.width).loaded
            self._known = key, KnownEmbeddings(files, model.vocabulary, self._catalog.hashes)
        bundled = self._bundled(choice, model.text.width)
        if not bundled:
            return self._known[1]
        key = key, tuple((name, one.lora, one.version) for name, one in bundled.items())
        if self._wider is None or self._wider[0] != key:
            self._wider = key, self._known[1].with_bundled(bundled)
        return self._wider[1]

    def _bundled(self, choice: ModelChoice, width: int) -> dict[str, Bundled]:
        """What LoRAs bring along; of a name that several have, the first."""
        found: dict[str, Bundled] = {}
        for one, file in self._adapters(choice):
            version, embeddings = self._bundles.obtain(file)
            for name, vectors in embeddings.items():
                if vectors.shape[1] == width:
                    found.setdefault(name, Bundled(vectors, one.name, version))
        return found

    def vectors(self, known: KnownEmbeddings, names: Iterable[str]) -> dict[str, Tensor]:
        """{name: float32 (vectors, width)}. Raises Fault("RuntimeError") naming an unreadable file."""
        names = list(names)
        bundled = {name: one.vectors for name, one in known.bundled(names).items()}
        return bundled | self._vectors.obtain(known.files(names))


def vectors_key(known: KnownEmbeddings, names: Iterable[str]) -> Hashable:
    """Equal for names that stand for the same vectors."""
    names = list(names)
    files = tuple((file.path, file.version) for file in known.files(names))
    return files, tuple((name, one.version) for name, one in known.bundled(names).items())
