"""The options of the server: one current snapshot, and config.json behind it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdapi_compat.options import config_file
from sdapi_compat.options.policy import OPEN, FreezePolicy
from sdapi_compat.options.snapshot import NOTHING, Snapshot
from sdapi_compat.options.table import BY_KEY


class OptionsStore:
    """Holds the current snapshot. Safe from any thread: readers never wait, writers take turns."""

    def __init__(
        self,
        path: Path,
        policy: FreezePolicy = OPEN,
        defaults: Mapping[str, Any] = NOTHING,
    ) -> None:
        """Read `path`; see `config_file.read` for missing and corrupt files, `Snapshot` for `defaults`."""
        self._path = path
        self._writing = threading.Lock()
        self._snapshot = Snapshot(config_file.read(path), defaults, policy)

    def snapshot(self) -> Snapshot:
        """The options as they are now."""
        return self._snapshot

    def update(self, changes: Mapping[str, Any]) -> Snapshot:
        """Change options as POST /sdapi/v1/options does, write config.json, and return the new snapshot.

        Raises what `Snapshot.accepted` raises, or OSError when the file cannot be written; then nothing has
        changed. Without a real change the file is not touched.
        """
        with self._writing:
            new = self._snapshot.replaced(self._snapshot.accepted(changes))
            if new is not self._snapshot:
                config_file.write(self._path, new.stored)
                self._snapshot = new
            return new

    def record(self, facts: Mapping[str, Any]) -> Snapshot:
        """Note what the server itself found out, such as the title of the loaded checkpoint.

        Freezing does not apply, and the file is written with the next update only (A1111 1.10.1 behaviour of
        sd_model_checkpoint and sd_checkpoint_hash). KeyError for a key that is not an option.
        """
        unknown = facts.keys() - BY_KEY.keys()
        if unknown:
            raise KeyError(", ".join(sorted(unknown)))
        with self._writing:
            self._snapshot = self._snapshot.replaced(facts)
            return self._snapshot
