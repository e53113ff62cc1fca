"""What a job's body is told about a loaded model."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from sdapi_compat.engine.embeddings import KnownEmbeddings
    from sdapi_compat.plan.plan import ModelChoice
    from sdapi_compat.prompt.chunks import Vocabulary
    from sdapi_compat.sampling.noise_schedule import NoiseSchedule


class ModelFacts(NamedTuple):
    """The answer to `Describe`. Names and hashes are as the infotext shows them.

    `adapter_hashes`: "name: hash, ..." of the adapters that were found, "" for none.

    `conditioning`: "text", "inpaint" (9 input channels) or "edit" (8). `to_rgb`: float32 (C + 1, 3), the
    linear map from a latent cell and 1 to RGB in [0, 1], for previews. `tiny`: which of "encoder" and
    "decoder" TAESD has a file for. `low_memory`: the model's parts take turns on the device.
    """

    model: ModelChoice
    name: str
    short_title: str
    hash: str | None
    vae_name: str | None
    vae_hash: str | None
    conditioning: str
    latent_channels: int
    device: torch.device
    schedule: NoiseSchedule
    vocabulary: Vocabulary
    embeddings: KnownEmbeddings
    adapter_hashes: str
    to_rgb: NDArray[np.float32]
    tiny: frozenset[str]
    low_memory: bool
