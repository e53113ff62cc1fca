"""How long answered jobs are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

#: What a row of the table is counted as, in bytes.
ROW_BYTES = 1024
ROOM = 0.9


class Retention(NamedTuple):
    """Seconds since the answer, and bytes of all results together."""

    max_age: float
    max_bytes: int

    def due(self, ended: Sequence[tuple[int, float, int]], now: float) -> list[int]:
        """The rows to forget of (row, time of the answer, size), given oldest first."""
        total = sum(size for _, _, size in ended)
        # Some room is made at a time, or every answer would have to make its own.
        target = self.max_bytes if total <= self.max_bytes else self.max_bytes * ROOM
        gone = []
        for row, finished, size in ended:
            if now - finished <= self.max_age and total <= target:
                break
            gone.append(row)
            total -= size
        return gone
