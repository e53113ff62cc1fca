"""Pure-ASGI middleware: process time, access log, bounds of request bodies, Basic authentication."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hmac
import logging
import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders

from sdapi_compat.errors import ApiError
from sdapi_compat.routes.reply import error_reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

SILENCE_SECONDS = 30.0
SLOWEST_BYTES_PER_SECOND = 1024
LINGER_SECONDS = 10.0


class ProcessTime:
    """Adds `X-Process-Time`: seconds until the reply began, rounded to four places."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()

        async def timed_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Process-Time"] = str(round(time.perf_counter() - start, 4))
            await send(message)

        await self.app(scope, receive, timed_send)


class AccessLog:
    """One log line per API request: status, method, path, client, seconds. Never bodies: they hold keys."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or "/sdapi/" not in scope["path"]:
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()
        status = HTTPStatus.INTERNAL_SERVER_ERROR.value

        async def watching_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watching_send)
        finally:
            client = scope["client"][0] if scope.get("client") else "-"
            route = f"{scope['scheme']}/{scope['http_version']} {scope['method']} {scope['path']}"
            log.info("API %s %s %s %.4f", status, route, client, time.perf_counter() - start)


class Subpath:
    """Puts back what a proxy has taken off the path, as ASGI wants it: redirects are made from the path."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        root = scope.get("root_path", "")
        path = scope.get("path", "")
        if root and path and path != root and not path.startswith(f"{root}/"):
            scope = {**scope, "path": root + path}
        await self.app(scope, receive, send)


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


class BasicAuth:
    """HTTP Basic on every route, WebSockets included. `users` maps names to passwords.

    The replies have the original's texts, and the WWW-Authenticate header it forgets.
    """

    def __init__(self, app: ASGIApp, users: Mapping[str, str]) -> None:
        self.app = app
        self.users = [(name.encode(), password.encode()) for name, password in users.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        problem = self._problem(Headers(scope=scope).get("authorization"))
        if problem is None:
            await self.app(scope, receive, send)
            return
        reply = error_reply(ApiError(401, problem))
        reply.headers["WWW-Authenticate"] = "Basic"
        await reply(scope, receive, send)

    def _problem(self, header: str | None) -> str | None:
        """Why the header does not admit its sender, or None."""
        scheme, _, encoded = (header or "").partition(" ")
        if scheme.lower() != "basic" or not encoded.strip():
            return "Not authenticated"
        try:
            sent = _as_utf8(base64.b64decode(encoded.strip(), validate=True))
        except binascii.Error:
            return "Invalid authentication credentials"
        name, colon, password = sent.partition(b":")
        if not colon:
            return "Invalid authentication credentials"
        # Every pair is compared, in constant time, so that timing tells nothing about names or passwords.
        matches = [
            hmac.compare_digest(name, known) & hmac.compare_digest(password, secret)
            for known, secret in self.users
        ]
        return None if any(matches) else "Incorrect username or password"


def _as_utf8(credentials: bytes) -> bytes:
    """Browsers send UTF-8, Python's requests sends Latin-1."""
    try:
        credentials.decode()
    except UnicodeDecodeError:
        return credentials.decode("latin-1").encode()
    return credentials
