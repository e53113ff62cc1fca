"""On a shared machine more threads can be slower (each step waits for the last one): measure and choose."""

from __future__ import annotations

import os
import time

import torch


class ThreadChoice:
    """Sets torch's thread count, trying each count once every ``period`` steps."""

    def __init__(self, period: int = 40) -> None:
        self._counts = sorted({1, os.cpu_count() or 1})
        self._period = max(period, 2 * len(self._counts))
        self._seconds = dict.fromkeys(self._counts, 0.0)
        self._step = 0
        self._start = time.monotonic()

    def next_step(self) -> None:
        """To be called at the start of each step: notes how long the last one took, sets the next."""
        now = time.monotonic()
        place = self._step % self._period
        if 0 < place <= len(self._counts):
            self._seconds[self._counts[place - 1]] = now - self._start
        if place < len(self._counts):
            torch.set_num_threads(self._counts[place])
        elif place == len(self._counts):
            torch.set_num_threads(min(self._counts, key=self._seconds.__getitem__))
        self._step += 1
        self._start = now
