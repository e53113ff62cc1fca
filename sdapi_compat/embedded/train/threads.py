"""On a shared machine more threads can be slower (each step waits for the last one): measure and choose."""

from __future__ import annotations

import os
import time

import torch

#: Steps in a row with one count; the fastest counts, for the first is slowed by the change itself.
TRIALS = 3


class ThreadChoice:
    """Sets torch's thread count, trying each count again every ``period`` steps."""

    def __init__(self, period: int = 200) -> None:
        self._counts = sorted({1, os.cpu_count() or 1})
        self._period = max(period, 2 * TRIALS * len(self._counts))
        self._seconds = dict.fromkeys(self._counts, float("inf"))
        self._step = 0
        self._start = time.monotonic()

    def next_step(self) -> None:
        """To be called at the start of each step: notes how long the last one took, sets the next."""
        now = time.monotonic()
        place = self._step % self._period
        if place == 0:
            self._seconds = dict.fromkeys(self._counts, float("inf"))
        elif place <= TRIALS * len(self._counts):
            tried = self._counts[(place - 1) // TRIALS]
            self._seconds[tried] = min(self._seconds[tried], now - self._start)
        if place < TRIALS * len(self._counts):
            torch.set_num_threads(self._counts[place // TRIALS])
        elif place == TRIALS * len(self._counts):
            torch.set_num_threads(min(self._counts, key=self._seconds.__getitem__))
        self._step += 1
        self._start = now
