"""What planning needs to know about this server besides the request and the options."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from sdapi_compat.options.snapshot import Snapshot
    from sdapi_compat.plan.plan import ModelChoice
    from sdapi_compat.prompt.styles import StyleBook


class Models(Protocol):
    """The checkpoints and VAEs on disk, as far as planning needs them."""

    def configured(self, snapshot: Snapshot) -> ModelChoice:
        """The checkpoint and VAE the options ask for. Fault when there is no checkpoint at all."""
        ...

    def named(self, text: str, snapshot: Snapshot) -> tuple[ModelChoice, str]:
        """The checkpoint nearest to `text`, and its short title.

        Fault("Exception", "Could not find checkpoint with name ...") when there is none.
        """
        ...

    def vae_names(self) -> list[str]:
        """The separate VAE files, by the names that the option sd_vae takes."""
        ...

    def has_network(self, kind: str, name: str) -> bool:
        """Whether there is a network of that name; `kind`: "lora" or "hypernet"."""
        ...


class World(NamedTuple):
    """Fixed facts for one planning."""

    models: Models
    styles: StyleBook
    data_dir: Path
    max_name_length: int
    unix_names: bool
    keep_history: bool
    check_nan: bool
