"""Refusing what pages of other sites send: a browser sends it without asking anybody.

CORS keeps such pages from reading replies, and from sending JSON; forms and requests without a body are sent
all the same. https://developer.mozilla.org/docs/Web/Security/Attacks/CSRF describes the attack.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from sdapi_compat.errors import ApiError
from sdapi_compat.routes.reply import error_reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

READING = frozenset({"GET", "HEAD", "OPTIONS"})
DEFAULT_PORTS = {"http": 80, "https": 443}
# Endings that no public name server answers for (RFC 6761, RFC 6762, RFC 8375, and ICANN for "internal").
PRIVATE_ENDINGS = (".localhost", ".local", ".internal", ".home.arpa")
LONGEST_SHOWN = 200


class Place(NamedTuple):
    """Where a page comes from, or where a request went; the scheme's own port where none is named."""

    host: str
    port: int | None


class OtherSites:
    """403 for a page of another site that would change something, unless `origins` or `regex` allow it.

    Only browsers send Origin, and they name pages of the web by http, https or "null"; other schemes are
    those of programs and browser extensions. So this refuses neither those nor clients without the header.

    `loopback`: the server answers this machine only. Then a page whose own address is a public name at this
    server's port is another site that points its name here (DNS rebinding), even though it looks like a
    page of ours.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str], regex: str | None, *, loopback: bool) -> None:
        self.app = app
        self.origins = frozenset(origins)
        self.regex = None if regex is None else re.compile(regex)
        self.loopback = loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or scope.get("method") in READING:
            await self.app(scope, receive, send)
            return
        origin = Headers(scope=scope).get("origin")
        if origin is None or self._allows(origin) or self._is_own(origin, scope):
            await self.app(scope, receive, send)
            return
        shown = origin[:LONGEST_SHOWN]
        problem = f"Pages of {shown} may not call this server; start it with --cors-allow-origins {shown}"
        await error_reply(ApiError(403, problem))(scope, receive, send)

    def _allows(self, origin: str) -> bool:
        if "*" in self.origins or origin in self.origins:
            return True
        return self.regex is not None and self.regex.fullmatch(origin) is not None

    def _is_own(self, origin: str, scope: Scope) -> bool:
        """Whether a page with this origin is one of this server, or no page of the web at all."""
        scheme, _, authority = origin.partition("://")
        if origin != "null" and scheme not in DEFAULT_PORTS:
            return True
        page = _place(authority, scheme)
        if page is None or (self.loopback and _is_rebound(page, scope)):
            return False
        headers = Headers(scope=scope)
        # Browsers say this to servers they trust the address of, and no page can say it for them.
        if headers.get("sec-fetch-site") == "same-origin":
            return True
        hosts = [headers.get("host", ""), *headers.get("x-forwarded-host", "").split(",")]
        return page in [_place(host.strip(), scheme) for host in hosts]


def is_loopback(host: str) -> bool:
    """Whether a server that listens on `host` answers its own machine only."""
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _place(authority: str, scheme: str) -> Place | None:
    """Host and port of "name:port"; None for what is none."""
    try:
        parts = urlsplit(f"//{authority}")
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname:
        return None
    return Place(parts.hostname.rstrip("."), port or DEFAULT_PORTS.get(scheme))


def _is_rebound(page: Place, scope: Scope) -> bool:
    """Whether a page's address is a public name at the very port the request came in at.

    Behind a proxy pages have the proxy's port, so they pass.
    """
    server = scope.get("server")
    if server is None or page.port != server[1]:
        return False
    is_private = "." not in page.host or page.host.endswith(PRIVATE_ENDINGS)
    return not is_private and not _is_address(page.host)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
