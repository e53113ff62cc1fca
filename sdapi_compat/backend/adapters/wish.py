"""What a prompt wants added to the model. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass

from sdapi_compat.backend.registry_networks import HypernetworkFile, LoraFile


@dataclass(frozen=True)
class AdapterWish:
    """One `<lora:...>` of a prompt: the file, its two multipliers, the rank to cut to (None: all of it)."""

    file: LoraFile
    text_encoder: float
    unet: float
    rank: int | None = None

    def __hash__(self) -> int:
        # The metadata of the file is a dictionary and has no hash.
        return hash((self.file.path, self.text_encoder, self.unet, self.rank))


@dataclass(frozen=True)
class HypernetworkWish:
    """One `<hypernet:...>` of a prompt."""

    file: HypernetworkFile
    multiplier: float
