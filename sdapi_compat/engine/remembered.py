"""Encoded prompts that are kept, so that one that comes again costs nothing."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

    from torch import Tensor

MOST = 64
MOST_BYTES = 256 * 2**20


class Remembered:
    """Tensors by key; the ones used longest ago go first. Owned by the device thread."""

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        """A very long prompt has encodings of many megabytes, so both number and bytes are bounded."""
        self._most = most
        self._most_bytes = most_bytes
        self._kept: OrderedDict[Hashable, Tensor] = OrderedDict()

    def get(self, key: Hashable) -> Tensor | None:
        """What was kept under `key`, used just now; None if nothing was, or no more."""
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def put(self, key: Hashable, encoding: Tensor) -> None:
        """Keep a tensor, unless it alone is too large."""
        self._kept.pop(key, None)
        if _size(encoding) > self._most_bytes:
            return
        self._kept[key] = encoding
        while len(self._kept) > self._most or self._bytes() > self._most_bytes:
            self._kept.popitem(last=False)

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()

    def _bytes(self) -> int:
        return sum(map(_size, self._kept.values()))


def _size(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
