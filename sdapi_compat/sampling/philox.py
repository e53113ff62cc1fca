"""Normal noise as an NVIDIA GPU would draw it, computed with numpy: Philox4x32-10 and Box-Muller.

Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

Words: TypeAlias = "NDArray[np.uint64] | np.uint64"  # 32-bit words in 64-bit cells: products need the room

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL0, _WEYL1 = 0x9E3779B9, 0xBB67AE85
_ROUNDS = 10
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_UINT32 = np.float64(np.float32(2.3283064e-10))
_TWO_PI_UINT32 = np.float64(np.float32(2.3283064e-10 * 6.2831855))
_BLOCK = 8192  # counters at a time: the working set stays in the processor's cache


class PhiloxGenerator:
    """A stream of normal noise for one seed; every call draws anew.

    `seed` is taken modulo 2^64.
    """

    def __init__(self, seed: int) -> None:
        self._key = (seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF)
        self._offset = 0

    def randn(self, shape: Sequence[int]) -> NDArray[np.float32]:
        """Normal noise, float32, of `shape`."""
        n = math.prod(shape)
        out = np.empty(n, dtype=np.float32)
        for start in range(0, n, _BLOCK):
            index = np.arange(start, min(start + _BLOCK, n), dtype=np.uint64)
            out[start : start + _BLOCK] = _box_muller(*_philox(self._offset, index, self._key))
        self._offset += 1
        return out.reshape(tuple(shape))


def _philox(offset: int, index: Words, key: tuple[int, int]) -> tuple[Words, Words]:
    """The first two output words for the counters (offset, 0, index, 0)."""
    # Words that all counters share stay scalars for the two rounds it takes to mix the index in.
    c0: Words = np.uint64(offset)
    c1: Words = np.uint64(0)
    c2: Words = index
    c3: Words = np.uint64(0)
    k0, k1 = key
    for _ in range(_ROUNDS):
        p0, p1 = c0 * _M0, c2 * _M1
        c0 = (p1 >> _SHIFT) ^ (c1 ^ np.uint64(k0))
        c2 = (p0 >> _SHIFT) ^ (c3 ^ np.uint64(k1))
        c1, c3 = p1 & _LOW, p0 & _LOW
        k0, k1 = (k0 + _WEYL0) & 0xFFFFFFFF, (k1 + _WEYL1) & 0xFFFFFFFF
    return c0, c1


def _box_muller(g0: Words, g1: Words) -> NDArray[np.float64]:
    u = g0 * _UINT32 + _UINT32 / 2
    v = torch.from_numpy(g1 * _TWO_PI_UINT32 + _TWO_PI_UINT32 / 2)
    normal: NDArray[np.float64] = np.sqrt(np.log(u) * -2.0)
    normal *= v.sin_().numpy()  # torch's float64 sine is twice as fast as numpy's
    return normal
