"""Which options requests may not change: the --freeze-... flags and --hide-ui-dir-config."""

from __future__ import annotations

from typing import NamedTuple

from sdapi_compat.errors import Fault
from sdapi_compat.options.option import Option


class FreezePolicy(NamedTuple):
    """Locks on options. `sections` holds section keys, `keys` option keys."""

    everything: bool = False
    sections: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    paths: bool = False

    def ignores(self, option: Option) -> bool:
        """Whether a change is dropped without a word (A1111 1.10.1 behaviour of --hide-ui-dir-config)."""
        return self.paths and option.path

    def check(self, option: Option) -> None:
        """Raise Fault "AssertionError", the original's error, when the option is frozen."""
        reason = self._reason(option)
        if reason is not None:
            raise Fault("AssertionError", f"option {option.key!r} cannot be changed: {reason}")

    def _reason(self, option: Option) -> str | None:
        if self.everything:
            return "the server runs with --freeze-settings"
        if option.section.key in self.sections:
            return f"section {option.section.key!r} is frozen by --freeze-settings-in-sections"
        if option.key in self.keys:
            return "it is frozen by --freeze-specific-settings"
        return None


OPEN = FreezePolicy()
