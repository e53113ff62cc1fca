"""HTTP Basic authentication."""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from sdapi_compat.errors import ApiError
from sdapi_compat.routes.reply import error_reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send


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
        name, problem = self._judged(Headers(scope=scope).get("authorization"))
        if problem is None:
            await self.app({**scope, "user": name}, receive, send)
            return
        reply = error_reply(ApiError(401, problem))
        reply.headers["WWW-Authenticate"] = "Basic"
        await reply(scope, receive, send)

    def _judged(self, header: str | None) -> tuple[str, str | None]:
        """The user's name, and why the header does not admit its sender, or None."""
        scheme, _, encoded = (header or "").partition(" ")
        if scheme.lower() != "basic" or not encoded.strip():
            return "", "Not authenticated"
        try:
            sent = _as_utf8(base64.b64decode(encoded.strip(), validate=True))
        except binascii.Error:
            return "", "Invalid authentication credentials"
        name, colon, password = sent.partition(b":")
        if not colon:
            return "", "Invalid authentication credentials"
        # Every pair is compared, in constant time, so that timing tells nothing about names or passwords.
        matches = [
            hmac.compare_digest(name, known) & hmac.compare_digest(password, secret)
            for known, secret in self.users
        ]
        return name.decode(), None if any(matches) else "Incorrect username or password"


def _as_utf8(credentials: bytes) -> bytes:
    """Browsers send UTF-8, Python's requests sends Latin-1."""
    try:
        credentials.decode()
    except UnicodeDecodeError:
        return credentials.decode("latin-1").encode()
    return credentials
