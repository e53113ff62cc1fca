"""Counts of the engine's work. One thread writes, any thread reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sdapi_compat.engine.asks import rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdapi_compat.engine.asks import Ask


@dataclass
class Kind:
    """Forwards of one kind of ask since the start: how many, of how many asks and rows, and their seconds."""

    forwards: int = 0
    asks: int = 0
    rows: int = 0
    seconds: float = 0.0


@dataclass
class Tally:
    """Model calls by the name of their asks' kind: "Predict", "Decode", "EncodeText", ..."""

    kinds: dict[str, Kind] = field(default_factory=dict)
    prompts_encoded: int = 0
    prompts_remembered: int = 0

    def count(self, asks: Sequence[Ask], seconds: float) -> None:
        """One forward that answered `asks`."""
        kind = self.kinds.setdefault(type(asks[0]).__name__, Kind())
        kind.forwards += 1
        kind.asks += len(asks)
        kind.rows += sum(map(rows, asks))
        kind.seconds += seconds
