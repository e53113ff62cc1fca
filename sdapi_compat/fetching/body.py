"""The body of an answer, bounded as it arrives and as it is unpacked."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterable, AsyncIterator

from sdapi_compat.fetching.failures import FetchError, TooLarge

PACKED = frozenset({"gzip", "x-gzip", "deflate"})
PLAIN = frozenset({"", "identity"})
EITHER_HEADER = zlib.MAX_WBITS + 32
"""zlib then tells gzip from deflate by itself."""
STEP = 1024 * 1024
"""Bytes unpacked at a time, so that a small packet of great content does not hold up the event loop."""


class Budget:
    """Bytes that may still be fetched; several fetches may share one."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.left = most

    def spend(self, count: int) -> None:
        """Raises TooLarge when there is not so much left."""
        self.left -= count
        if self.left < 0:
            raise TooLarge(self.most)


async def read(parts: AsyncIterable[bytes], encoding: str, budget: Budget) -> bytes:
    """The whole body, unpacked. `encoding`: the Content-Encoding header.

    Raises TooLarge beyond the budget, FetchError for a broken or unknown encoding.
    """
    encoding = encoding.strip().lower()
    if encoding in PACKED:
        parts = _unpacked(_counted(parts, Budget(budget.most)))
    elif encoding not in PLAIN:
        raise FetchError("its encoding is neither gzip nor deflate")
    return b"".join([part async for part in _counted(parts, budget)])


async def _counted(parts: AsyncIterable[bytes], budget: Budget) -> AsyncIterator[bytes]:
    async for part in parts:
        budget.spend(len(part))
        yield part


async def _unpacked(parts: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    unpacker = zlib.decompressobj(EITHER_HEADER)
    try:
        async for part in parts:
            packed, piece = part, b""
            while packed or len(piece) == STEP:
                piece = unpacker.decompress(packed, STEP)
                packed = unpacker.unconsumed_tail
                yield piece
                await asyncio.sleep(0)
    except zlib.error:
        raise FetchError("its content is damaged") from None
    if not unpacker.eof:
        raise FetchError("its content is cut off")
