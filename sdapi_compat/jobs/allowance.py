"""How many jobs each caller may have at a time."""

from __future__ import annotations

from collections import Counter

from sdapi_compat.errors import Busy

RETRY_SECONDS = 1


class Allowance:
    """Counts the jobs of each caller that have no answer yet. Belongs to the event loop."""

    def __init__(self, most: int) -> None:
        """`most`: jobs of one caller, 0 for any number."""
        self._most = most
        self._taken: Counter[str] = Counter()

    def take(self, caller: str, *, again: bool = False) -> None:
        """A place for one more job. Busy 429 when the caller has all of its places taken.

        `again`: the job was admitted by the process before this one, and is not refused.
        """
        if not again and 0 < self._most <= self._taken[caller]:
            message = f"{self._taken[caller]} of your jobs have no answer yet, more are not accepted"
            raise Busy(429, message, RETRY_SECONDS)
        self._taken[caller] += 1

    def give_back(self, caller: str) -> None:
        """One of the caller's jobs has been answered, or was not admitted."""
        self._taken[caller] -= 1
        if not self._taken[caller]:
            del self._taken[caller]
