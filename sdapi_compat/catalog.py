"""Everything the server finds on disk: checkpoints, VAEs, networks and styles, refreshed as a whole."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from sdapi_compat.backend.hashes import HashCache
from sdapi_compat.backend.registry import CheckpointInfo, CheckpointPlaces, CheckpointRegistry
from sdapi_compat.backend.registry_embeddings import EmbeddingRegistry
from sdapi_compat.backend.registry_files import walk
from sdapi_compat.backend.registry_networks import LORA_SUFFIXES, HypernetworkRegistry, LoraRegistry
from sdapi_compat.backend.registry_vae import VaeFile, VaePlaces, VaeRegistry, VaeWish
from sdapi_compat.backend.sniff import FileKind, sniff
from sdapi_compat.errors import Fault
from sdapi_compat.plan.plan import ModelChoice
from sdapi_compat.prompt.extra_networks import HYPERNETWORK
from sdapi_compat.prompt.styles import StyleBook

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sdapi_compat.options.snapshot import Snapshot


class Places(NamedTuple):
    """Where everything lies, from the command line."""

    checkpoints: CheckpointPlaces
    vaes: VaePlaces
    forced_vae: Path | None
    loras: tuple[Path, ...]
    embeddings: Path
    hypernetworks: Path
    styles: tuple[Path, ...]
    hash_cache: Path
    hashing: bool


class Shelves(NamedTuple):
    """The registries of one moment; never changed, only replaced."""

    checkpoints: CheckpointRegistry
    vaes: VaeRegistry
    loras: LoraRegistry
    embeddings: EmbeddingRegistry
    hypernetworks: HypernetworkRegistry
    styles: StyleBook


class Catalog:
    """The current `Shelves`. Readers take them by reference and never wait; `refresh` reads the disk."""

    def __init__(self, places: Places, list_hidden: Callable[[], bool] = lambda: True) -> None:
        """`list_hidden`: the option list_hidden_files of the moment."""
        self._places = places
        self._list_hidden = list_hidden
        self._writing = threading.Lock()
        self.hashes = HashCache(places.hash_cache) if places.hashing else None
        self._embeddings_changed = _changed(places.embeddings)
        self._lora_listing = self._listed_loras()
        self._shelves = self._read()

    def _read(self) -> Shelves:
        places, hidden = self._places, self._list_hidden()
        return Shelves(
            checkpoints=CheckpointRegistry.scan(replace(places.checkpoints, list_hidden=hidden), self.hashes),
            vaes=VaeRegistry.scan(replace(places.vaes, list_hidden=hidden)),
            loras=LoraRegistry.scan(places.loras, list_hidden=hidden),
            embeddings=EmbeddingRegistry.scan(places.embeddings),
            hypernetworks=HypernetworkRegistry.scan(places.hypernetworks),
            styles=StyleBook.load(places.styles),
        )

    def refresh(self) -> None:
        """Look at the folders again. Styles are read at the start only, as in A1111 1.10.1."""
        with self._writing:
            self._shelves = self._read()._replace(styles=self._shelves.styles)

    def look_for_embeddings(self) -> None:
        """Read the embeddings anew if something came into their folder, or left it, since the last look.

        A1111 1.10.1 behaviour: every generation looks, at the folder itself and not at those in it.
        """
        changed = _changed(self._places.embeddings)
        if changed != self._embeddings_changed:
            embeddings = EmbeddingRegistry.scan(self._places.embeddings)
            with self._writing:
                self._embeddings_changed = changed
                self._shelves = self._shelves._replace(embeddings=embeddings)

    def look_for_loras(self) -> None:
        """Read the LoRAs anew if files came or left since the last look."""
        listing = self._listed_loras()
        if listing != self._lora_listing:
            loras = LoraRegistry.scan(self._places.loras, list_hidden=self._list_hidden())
            with self._writing:
                self._lora_listing = listing
                self._shelves = self._shelves._replace(loras=loras)

    def _listed_loras(self) -> list[Path]:
        hidden = self._list_hidden()
        folders = self._places.loras
        return [path for folder in folders for path in walk(folder, LORA_SUFFIXES, list_hidden=hidden)]

    def learn_hash(self, info: CheckpointInfo, sha256: str) -> None:
        """Record what loading a checkpoint revealed; its title gains the hash."""
        with self._writing:
            known = self._shelves.checkpoints.with_hash(info, sha256)
            self._shelves = self._shelves._replace(checkpoints=known)

    @property
    def checkpoints(self) -> CheckpointRegistry:
        """The checkpoints."""
        return self._shelves.checkpoints

    @property
    def vaes(self) -> VaeRegistry:
        """The separate VAE files."""
        return self._shelves.vaes

    @property
    def loras(self) -> LoraRegistry:
        """The LoRA files."""
        return self._shelves.loras

    @property
    def embeddings(self) -> EmbeddingRegistry:
        """The textual inversions."""
        return self._shelves.embeddings

    @property
    def hypernetworks(self) -> HypernetworkRegistry:
        """The hypernetworks."""
        return self._shelves.hypernetworks

    @property
    def styles(self) -> StyleBook:
        """The prompt styles."""
        return self._shelves.styles

    def configured(self, snapshot: Snapshot) -> ModelChoice:
        """The checkpoint and VAE the options ask for. Fault "FileNotFoundError" without any checkpoint."""
        return self._choice(self.checkpoints.select(snapshot.text("sd_model_checkpoint")), snapshot)

    def named(self, text: str, snapshot: Snapshot) -> tuple[ModelChoice, str]:
        """The checkpoint nearest to `text`, and its short title. Fault "Exception" as the original's."""
        info = self.checkpoints.closest(text)
        if info is None:
            raise Fault("Exception", f"Could not find checkpoint with name {text}")
        return self._choice(info, snapshot), info.short_title

    def vae_names(self) -> list[str]:
        """The separate VAE files, by the names that the option sd_vae takes."""
        return [vae.name for vae in self.vaes]

    def _choice(self, info: CheckpointInfo, snapshot: Snapshot) -> ModelChoice:
        wish = VaeWish(
            setting=snapshot.text("sd_vae"),
            overrides_per_model=snapshot.flag("sd_vae_overrides_per_model_preferences"),
            forced=self._places.forced_vae,
        )
        vae = self.vaes.resolve(info, wish)
        return ModelChoice(info.name, None if vae is None else vae.name)

    def files(self, choice: ModelChoice) -> tuple[CheckpointInfo, VaeFile | None]:
        """The files behind a choice. Fault "FileNotFoundError" when one has gone since it was planned."""
        info = self.checkpoints.find(choice.checkpoint)
        if info is None:
            raise Fault("FileNotFoundError", f"checkpoint {choice.checkpoint!r} is not there any more")
        if choice.vae is None:
            return info, None
        forced = self._places.forced_vae
        if forced is not None and forced.name == choice.vae:
            return info, VaeFile(forced.name, forced.absolute())
        vae = self.vaes.find(choice.vae)
        if vae is None:
            raise Fault("FileNotFoundError", f"VAE {choice.vae!r} is not there any more")
        return info, vae

    def check_readable(self, info: CheckpointInfo) -> None:
        """A quick look whether the file can be a checkpoint at all, so that a broken one is refused at once.

        Raises Fault "RuntimeError".
        """
        if not info.is_folder and sniff(info.path) is FileKind.UNKNOWN:
            raise Fault(
                "RuntimeError", f"{info.name} is not a checkpoint: neither safetensors nor a torch file"
            )

    def has_network(self, kind: str, name: str) -> bool:
        """Whether there is a network of that name; `kind`: "lora" or "hypernet"."""
        registry = self.hypernetworks if kind == HYPERNETWORK else self.loras
        return registry.find(name) is not None


def _changed(folder: Path) -> int | None:
    """When something last came into a folder or left it, in ns; None where there is none."""
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return None
