"""How many rows of a kind one forward may have: what memory allows, learned from what forwards took."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

#: Share of the free memory that forwards may take: allocators need room to move.
USABLE = 0.8
#: Seconds after which a limit that a failure taught is forgotten: what took the memory may be gone.
REMEMBERED_SECONDS = 60.0


class _Lesson(NamedTuple):
    rows: int
    expires: float


class Budget:
    """Rows per forward, by key of the asks. Used on one thread.

    `headroom` gives the bytes that could be allocated now, or None where nobody can say.
    """

    def __init__(
        self,
        most: int,
        headroom: Callable[[], int | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.most = most
        self._headroom = headroom
        self._clock = clock
        self._row_bytes: dict[Hashable, float] = {}
        self._lessons: dict[Hashable, _Lesson] = {}

    def rows(self, key: Hashable) -> int:
        """The most rows that asks of `key` should bring into one forward, at least 1."""
        limit = self.most
        lesson = self._lessons.get(key)
        if lesson is not None and lesson.expires > self._clock():
            limit = min(limit, lesson.rows)
        each = self._row_bytes.get(key, 0.0)
        if each > 0:
            free = self._headroom()
            if free is not None:
                limit = min(limit, int(free * USABLE / each))
        return max(1, limit)

    def took(self, key: Hashable, rows: int, used: int) -> None:
        """A forward of `rows` needed `used` bytes at its peak."""
        self._row_bytes[key] = max(self._row_bytes.get(key, 0.0), used / rows)

    def failed(self, key: Hashable, rows: int) -> None:
        """A forward of `rows` did not fit."""
        self._lessons[key] = _Lesson(max(1, rows // 2), self._clock() + REMEMBERED_SECONDS)
