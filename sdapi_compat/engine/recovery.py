"""Answers in spite of failures: a merged batch falls apart into its asks, an ask into its rows.

What cannot be answered gets the error in place of the answer, and only the job that asked is told.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

from sdapi_compat.engine.asks import joined, parts, rows
from sdapi_compat.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdapi_compat.engine.asks import Ask
    from sdapi_compat.engine.budget import Budget

log = logging.getLogger(__name__)


class Answering(Protocol):
    """The part of a device that recovery needs."""

    def answer(self, asks: Sequence[Ask]) -> list[Any]:
        """One answer per ask; all asks have the same key."""
        ...

    def free(self) -> None:
        """Give back memory that nothing uses."""
        ...

    def out_of_memory(self, error: Exception) -> str | None:
        """What was needed and what is free, in words; None for an error that is something else."""
        ...


def answers(device: Answering, asks: Sequence[Ask], budget: Budget) -> list[Any]:
    """One answer or error per ask. Out of memory: fewer rows at a time, down to one; then Fault 507."""
    total = sum(rows(ask) for ask in asks)
    try:
        return device.answer(asks)
    except Exception as error:  # noqa: BLE001 - becomes the answer of the asks it belongs to
        device.free()
        shortage = device.out_of_memory(error)
        if shortage is not None:
            log.warning("out of memory with %d rows: %s", total, shortage)
            budget.failed(asks[0].key, total)
        if len(asks) > 1:
            # One job's trouble must not become another's.
            return [answer for ask in asks for answer in answers(device, [ask], budget)]
        if shortage is None:
            return [error]
        return [_in_parts(device, asks[0], budget, shortage)]


def _in_parts(device: Answering, ask: Ask, budget: Budget, shortage: str) -> Any:
    smaller = parts(ask, budget.rows(ask.key))
    if len(smaller) < 2:
        return Fault("OutOfMemoryError", f"Out of memory: {shortage}", 507)
    gathered = []
    for part in smaller:
        [answer] = answers(device, [part], budget)
        if isinstance(answer, Exception):
            return answer
        gathered.append(answer)
    return joined(gathered)
