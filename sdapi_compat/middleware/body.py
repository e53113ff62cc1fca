"""Bounds of request bodies."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from sdapi_compat.errors import ApiError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SILENCE_SECONDS = 30.0
SLOWEST_BYTES_PER_SECOND = 1024
LINGER_SECONDS = 10.0


class RequestBody:
    """Bounds what a request may send, and reads what the application leaves unread.

    The application meets 413 as it reads more than `limit` bytes, and 408 when the sender falls silent or
    trickles. The rest of a body nobody wanted is read before the reply ends: Hypercorn closes a connection
    whose request is incomplete, and clients that still send, or use the connection again, would see it break.
    """

    def __init__(self, app: ASGIApp, limit: int, patience: float = SILENCE_SECONDS) -> None:
        self.app = app
        self.limit = limit
        self.patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        expected = int(declared) if declared.isdecimal() else 0
        body = _Incoming(receive, self.limit, self.patience, too_large=expected > self.limit)

        async def send_last_after_the_body(message: Message) -> None:
            ends = message["type"] == "http.response.body" and not message.get("more_body", False)
            if ends and body.unread:
                await send({**message, "more_body": True})
                await body.discard()
                message = {"type": "http.response.body"}
            await send(message)

        await self.app(scope, body.receive, send_last_after_the_body)


class _Incoming:
    """The body of one request on its way in."""

    def __init__(self, receive: Receive, limit: int, patience: float, *, too_large: bool) -> None:
        self.unread = True
        self._receive = receive
        self._limit = limit
        self._patience = patience
        self._too_large = too_large
        self._seen = 0
        self._began = time.monotonic()

    async def receive(self) -> Message:
        """The next message, for the application. ApiError 413 or 408."""
        if self._too_large:
            raise ApiError(413, f"The request body is larger than {self._limit} bytes")
        if not self.unread:
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._next(), self._allowed_seconds())
        except asyncio.TimeoutError:
            self.unread = False
            raise ApiError(408, "The request body did not arrive in time") from None
        self._too_large = self._seen > self._limit
        return message if not self._too_large else await self.receive()

    async def discard(self) -> None:
        """Read to the end, for a bounded time."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._discard(), LINGER_SECONDS)

    async def _discard(self) -> None:
        while self.unread:
            await self._next()

    async def _next(self) -> Message:
        message = await self._receive()
        self._seen += len(message.get("body", b""))
        self.unread = message["type"] == "http.request" and message.get("more_body", False)
        return message

    def _allowed_seconds(self) -> float:
        """Until the next message: `patience` at most, less for a sender that trickles."""
        ahead = self._seen / SLOWEST_BYTES_PER_SECOND - (time.monotonic() - self._began)
        return min(self._patience, max(0.0, self._patience + ahead))
