"""The guarded client: GET a picture, POST a message.

Every request has a connection of its own, made by `GuardedBackend`: none is used again under other rules.
Nothing of the environment counts (no proxies, no .netrc), no cookies or credentials are sent, and nothing is
followed that was not judged.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import httpcore

from sdapi_compat.fetching.body import Budget, read
from sdapi_compat.fetching.failures import FetchError, TooLarge
from sdapi_compat.fetching.network import GuardedBackend, Network
from sdapi_compat.fetching.rules import Rules
from sdapi_compat.fetching.target import Target, parse

T = TypeVar("T")
HEADER_BYTES = 64 * 1024
FETCHES = 32
FETCHES_PER_CALLER = 8
REDIRECTS = frozenset({301, 302, 303, 307, 308})
OK = 200


@dataclass(frozen=True)
class Message:
    """What a request carries besides its target."""

    method: str
    headers: Mapping[str, str]
    content: bytes | None = None


@dataclass(frozen=True)
class Answer:
    """What a POST was answered. `retry_after`: seconds, where the receiver names them."""

    status: int
    retry_after: float | None


class Fetcher:
    """At most `parallel` requests at a time; more wait their turn, which does not count as their time."""

    def __init__(self, network: Network | None = None, parallel: int = FETCHES) -> None:
        self._network = network or Network()
        self._turns = asyncio.Semaphore(parallel)
        self._context: ssl.SSLContext | None = None

    async def fetch(self, url: str, rules: Rules, budget: Budget | None = None) -> bytes:
        """The body at `url`, redirects followed. Only status 200 counts.

        Raises FetchError (an ApiError), of which LocalTarget and TooLarge are special cases.
        """
        budget = budget or Budget(rules.max_bytes)
        async with self._turns:
            return await _within(rules.seconds, self._follow(url, rules, budget))

    async def fetch_all(self, urls: Iterable[str], rules: Rules) -> dict[str, bytes]:
        """Several bodies, some at a time, together within `max_bytes`. The first failure ends the rest."""
        distinct = list(dict.fromkeys(urls))
        budget = Budget(rules.max_bytes)
        turns = asyncio.Semaphore(FETCHES_PER_CALLER)

        async def one(url: str) -> bytes:
            async with turns:
                return await self.fetch(url, rules, budget)

        tasks = [asyncio.create_task(one(url)) for url in distinct]
        try:
            return dict(zip(distinct, await asyncio.gather(*tasks), strict=True))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def post(self, url: str, content: bytes, headers: Mapping[str, str], rules: Rules) -> Answer:
        """POST `content`; redirects are not followed, the answer's body is not read. Raises FetchError."""
        message = Message("POST", {"User-Agent": _visible(rules.user_agent), **headers}, content)

        async def exchange() -> Answer:
            async with self._exchange(parse(url), message, rules) as response:
                after = _header(response, b"retry-after")
                return Answer(response.status, float(after) if after.isdecimal() else None)

        return await _within(rules.seconds, exchange())

    async def _follow(self, url: str, rules: Rules, budget: Budget) -> bytes:
        headers = {"Accept": "image/*", "Accept-Encoding": "identity"}
        message = Message("GET", {**headers, "User-Agent": _visible(rules.user_agent)})
        target = parse(url)
        for _ in range(rules.redirects + 1):
            async with self._exchange(target, message, rules) as response:
                if response.status not in REDIRECTS:
                    return await _content(response, budget)
                target = target.join(_header(response, b"location"))
        raise FetchError(f"it leads through more than {rules.redirects} redirects")

    @contextlib.asynccontextmanager
    async def _exchange(
        self, target: Target, message: Message, rules: Rules
    ) -> AsyncIterator[httpcore.Response]:
        """One request on one new connection; failures of the network become FetchErrors."""
        url = httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
        headers = [("Host", target.authority), *message.headers.items()]
        # A dot at the end of a name is no part of the name in a certificate.
        extensions = {"sni_hostname": target.host.rstrip(".")}
        try:
            async with (
                httpcore.AsyncConnectionPool(
                    ssl_context=await self._tls() if target.scheme == "https" else None,
                    max_connections=1,
                    max_keepalive_connections=0,
                    network_backend=GuardedBackend(self._network, rules),
                ) as pool,
                pool.stream(
                    message.method, url, headers=headers, content=message.content, extensions=extensions
                ) as response,
            ):
                _check_headers(response)
                yield response
        except (httpcore.TimeoutException, httpcore.NetworkError) as error:
            raise FetchError(f"its server cannot be reached ({_words(error)})") from error
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
            raise FetchError("its server does not speak HTTP properly") from error

    async def _tls(self) -> ssl.SSLContext:
        """Made when first needed, off the event loop: the list of authorities is long."""
        if self._context is None:
            self._context = await asyncio.to_thread(self._network.tls)
        return self._context


async def _content(response: httpcore.Response, budget: Budget) -> bytes:
    if response.status != OK:
        raise FetchError(f"its server answered {response.status}")
    declared = _header(response, b"content-length")
    if declared.isdecimal() and int(declared) > budget.left:
        raise TooLarge(budget.most)
    return await read(response.aiter_stream(), _header(response, b"content-encoding"), budget)


def _check_headers(response: httpcore.Response) -> None:
    if sum(len(name) + len(value) for name, value in response.headers) > HEADER_BYTES:
        raise FetchError("its server sends too many headers")


def _header(response: httpcore.Response, name: bytes) -> str:
    """The last header of that name, "" where there is none."""
    return {key.lower(): value for key, value in response.headers}.get(name, b"").decode("latin-1").strip()


def _visible(text: str) -> str:
    """`text` as a header can carry it."""
    return "".join(character for character in text if " " <= character <= "~").strip()


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


async def _within(seconds: float, work: Awaitable[T]) -> T:
    try:
        return await asyncio.wait_for(work, seconds)
    except asyncio.TimeoutError:
        raise FetchError(f"its server needed more than {seconds:g} seconds") from None
