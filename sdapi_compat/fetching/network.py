"""Names to addresses, and connections to exactly the addresses that were judged."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpcore

from sdapi_compat.fetching.addresses import literal
from sdapi_compat.fetching.failures import FetchError
from sdapi_compat.fetching.rules import Rules

Resolver = Callable[[str, int], Awaitable[list[str]]]
"""(host, port) -> addresses in the order to try them. OSError for a name nobody knows."""

LOOKUPS = 8
CONNECT_SECONDS = 10.0


class SystemResolver:
    """The operating system's resolver, on threads of its own: a lookup that hangs holds up nothing else."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUPS, "resolver")

    async def __call__(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _look_up, host, port)
        return list(dict.fromkeys(found))


def _look_up(host: str, port: int) -> list[str]:
    entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in entries]


@dataclass(frozen=True)
class Network:
    """The way out. Tests give a resolver, a connector or a trusted CA of their own.

    `connector` is only ever asked to connect to addresses, never to names. `tls` makes the context that
    checks certificates; the usual one trusts the system's authorities and those of certifi.
    """

    resolver: Resolver = field(default_factory=SystemResolver)
    connector: httpcore.AsyncNetworkBackend = field(default_factory=httpcore.AnyIOBackend)
    tls: Callable[[], ssl.SSLContext] = httpcore.default_ssl_context


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Resolves once, judges every address, and connects to one of those: no second lookup can differ."""

    def __init__(self, network: Network, rules: Rules) -> None:
        self._network = network
        self._rules = rules

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to `host`. Raises FetchError by the rules, httpcore.ConnectError if none answers."""
        failure: Exception = httpcore.ConnectError("it has no address")
        for address in await self._addresses(host, port):
            try:
                return await self._network.connector.connect_tcp(
                    address, port, CONNECT_SECONDS, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def _addresses(self, host: str, port: int) -> list[str]:
        addresses = [host] if literal(host) is not None else await self._resolved(host, port)
        self._rules.check_addresses(addresses)
        self._rules.check_port(port)
        return addresses

    async def _resolved(self, host: str, port: int) -> list[str]:
        try:
            return await self._network.resolver(host, port)
        except (OSError, UnicodeError):
            raise FetchError("its host is not known") from None
