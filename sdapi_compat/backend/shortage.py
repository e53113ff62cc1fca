"""Memory of the device: how much is left, how much a piece of work took, and which errors mean none was."""

from __future__ import annotations

from types import TracebackType

import psutil
import torch

#: What torch's CPU allocator says; it raises a plain RuntimeError.
CPU_MESSAGES = ("can't allocate memory", "not enough memory", "Cannot allocate memory")


def headroom(device: torch.device) -> int:
    """Bytes that could be allocated on `device` now."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free + unused)
    return int(psutil.virtual_memory().available)


def shortage(error: Exception, device: torch.device) -> str | None:
    """What was needed and what is free, in words; None for an error that is something else.

    Torch names the size of the allocation that failed, and on a GPU what is free, in its message.
    """
    if not is_shortage(error):
        return None
    text = str(error).strip() or type(error).__name__
    return f"{text} ({headroom(device) / 2**20:.0f} MiB free on {device})"


def is_shortage(error: Exception) -> bool:
    """Whether memory could not be had."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in CPU_MESSAGES)


class Peak:
    """Measures what the work inside `with` needs beyond what was allocated before it.

    `bytes` stays 0 on a CPU, where nobody counts a single piece of work's memory.
    """

    def __init__(self, device: torch.device) -> None:
        self.bytes = 0
        self._device = device
        self._before = 0

    def __enter__(self) -> None:
        self.bytes = 0
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
            self._before = torch.cuda.memory_allocated(self._device)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._device.type == "cuda" and error is None:
            self.bytes = max(0, torch.cuda.max_memory_allocated(self._device) - self._before)
