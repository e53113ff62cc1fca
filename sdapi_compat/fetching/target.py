"""A URL taken apart once. Nothing behind this reads the text again, so no two readers can disagree."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from urllib.parse import quote, urljoin, urlsplit

import idna

from sdapi_compat.fetching.failures import FetchError

LONGEST = 8192
PORTS = {"http": 80, "https": 443}
# Control characters vanish in some readers, and a backslash is a slash to others.
AMBIGUOUS = re.compile(r"[\x00-\x1f\x7f\\]")
NAME = re.compile(r"(?!.*\.\.)[a-z0-9_-][a-z0-9._-]{0,252}")
KEPT = "!$%&'()*+,/:;=?@[]~"


@dataclass(frozen=True)
class Target:
    """Whom to ask for what. `host`: ASCII, an IPv6 address without brackets. `path`: with its query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The Host header: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if PORTS[self.scheme] == self.port else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme, host and port: what may stand in a log. Paths and queries may hold secrets."""
        return f"{self.scheme}://{self.authority}"

    def join(self, location: str) -> Target:
        """Where a redirect leads. Raises FetchError."""
        refuse_ambiguous(location)
        try:
            return parse(urljoin(f"{self.origin}{self.path}", location))
        except ValueError:
            raise unreadable() from None


def parse(url: str) -> Target:
    """Take a URL apart. Raises FetchError for another scheme, a user name, and what no reader agrees on."""
    refuse_ambiguous(url)
    try:
        parts = urlsplit(url.strip(" "))
        host, port = parts.hostname, parts.port
    except ValueError:
        raise unreadable() from None
    if parts.scheme not in PORTS:
        raise FetchError("only http and https are fetched")
    if "@" in parts.netloc:
        raise FetchError("a user name or password in it is not allowed")
    query = f"?{quote(parts.query, safe=KEPT)}" if parts.query else ""
    path = quote(parts.path, safe=KEPT) or "/"
    return Target(
        parts.scheme, _host(host or ""), PORTS[parts.scheme] if port is None else port, path + query
    )


def refuse_ambiguous(text: str) -> None:
    """Raises FetchError for what readers of URLs are known to disagree on, and for endless ones."""
    if len(text) > LONGEST:
        raise FetchError(f"it is longer than {LONGEST} characters")
    if AMBIGUOUS.search(text):
        raise unreadable()


def unreadable() -> FetchError:
    """What there is to say of a URL that is none."""
    return FetchError("it cannot be read as a URL")


def _host(host: str) -> str:
    try:
        if ":" in host:
            return _bare(IPv6Address(host))
        name = host if host.isascii() else idna.encode(host, uts46=True).decode()
    except ValueError:
        raise unreadable() from None
    if not NAME.fullmatch(name):
        raise unreadable()
    return name


def _bare(address: IPv6Address) -> str:
    if address.scope_id is not None:
        raise ValueError("an interface is no part of a URL")
    return str(address)
