"""Pure-ASGI middleware: process time, request body limit, Basic authentication, access log."""

from __future__ import annotations

import base64
import binascii
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
        if scope["type"] != "http" or not scope["path"].startswith("/sdapi"):
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


class BodyLimit:
    """Refuses request bodies over `limit` bytes with 413 in the API's error shape."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refusal = ApiError(413, f"The request body is larger than {self.limit} bytes")
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdigit() and int(declared) > self.limit:
            await error_reply(refusal)(scope, receive, send)
            return
        seen = 0

        async def counting_receive() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.limit:
                raise refusal
            return message

        await self.app(scope, counting_receive, send)


class BasicAuth:
    """HTTP Basic on every route. `users` maps names to passwords.

    The replies have the original's texts, and the WWW-Authenticate header it forgets.
    """

    def __init__(self, app: ASGIApp, users: Mapping[str, str]) -> None:
        self.app = app
        self.users = [(name.encode(), password.encode()) for name, password in users.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_preflight(scope):
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
            name, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        except binascii.Error:
            return "Invalid authentication credentials"
        if not colon:
            return "Invalid authentication credentials"
        # Every pair is compared, in constant time, so that timing tells nothing about names or passwords.
        matches = [
            hmac.compare_digest(name, known) & hmac.compare_digest(password, secret)
            for known, secret in self.users
        ]
        return None if any(matches) else "Incorrect username or password"


def _is_preflight(scope: Scope) -> bool:
    return scope["method"] == "OPTIONS" and "access-control-request-method" in Headers(scope=scope)
