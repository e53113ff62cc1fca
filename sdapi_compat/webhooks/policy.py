"""How often and when a message is sent again."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Policy:
    """`attempts` in all; pauses in seconds, `first` times `factor` each time, at most `longest`.

    `pending`: jobs whose messages may wait at a time. `parallel`: requests at a time.
    """

    attempts: int = 6
    first: float = 1.0
    factor: float = 3.0
    longest: float = 60.0
    pending: int = 2000
    parallel: int = 32

    def pause(self, attempt: int, retry_after: float | None) -> float:
        """Seconds after the attempt of that number, from 0; never less than the receiver asks for.

        A random half is taken off, so that messages that failed together do not come back together.
        """
        step = min(self.first * self.factor**attempt, self.longest) * random.uniform(0.5, 1.0)
        return max(step, min(retry_after or 0.0, self.longest))
