"""Delivers events in order, again and again up to a bound, and disturbs nobody when it fails."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from sdapi_compat.fetching.failures import FetchError
from sdapi_compat.fetching.rules import Rules, check
from sdapi_compat.fetching.target import parse
from sdapi_compat.webhooks.outbox import Message
from sdapi_compat.webhooks.policy import Policy
from sdapi_compat.webhooks.signing import headers

if TYPE_CHECKING:
    from sdapi_compat.fetching.fetcher import Fetcher
    from sdapi_compat.fetching.target import Target
    from sdapi_compat.webhooks.outbox import Outbox

log = logging.getLogger(__name__)
ID_BYTES = 18


@dataclass(frozen=True)
class Event:
    """What is to be told: a type such as "job.start", and the whole body as JSON."""

    type: str
    body: bytes


@dataclass(frozen=True)
class Result:
    """What became of one attempt. `gone`: the receiver wants nothing more (410)."""

    taken: bool = False
    gone: bool = False
    problem: str = ""
    retry_after: float | None = None


class Sender:
    """Posts events. `send`, `resume` and `close` belong to the event loop.

    The events of one series arrive in order: the next one waits until the one before was taken or given up.
    `outbox`: keeps what is not taken before the server ends; without it that is lost.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        keys: Sequence[bytes],
        rules: Rules,
        policy: Policy | None = None,
        outbox: Outbox | None = None,
    ) -> None:
        self._fetcher = fetcher
        self._keys = keys
        self._rules = rules
        self._policy = policy or Policy()
        self._outbox = outbox
        self._series: dict[str, deque[Message]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(self._policy.parallel)
        self._closing = asyncio.Event()

    def check(self, url: str) -> Target:
        """What is known of a URL before anything is sent. Raises FetchError."""
        return check(url, self._rules)

    def send(self, series: str, url: str, event: Event) -> None:
        """Queue an event behind the others of its series."""
        if series not in self._series and len(self._series) >= self._policy.pending:
            log.warning("webhook %s is not sent: %d jobs wait already", event.type, len(self._series))
            return
        message = Message(f"msg_{secrets.token_urlsafe(ID_BYTES)}", series, url, event.type, event.body)
        if self._outbox is not None:
            self._outbox.keep(message)
        self._queue(message)

    def resume(self) -> None:
        """Send what the server before this one could not get rid of."""
        for message in [] if self._outbox is None else self._outbox.left():
            self._queue(message)

    def _queue(self, message: Message) -> None:
        if message.series in self._series:
            self._series[message.series].append(message)
            return
        self._series[message.series] = deque([message])
        task = asyncio.get_running_loop().create_task(self._run(message.series))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self, seconds: float) -> None:
        """One more attempt for everything that waits, `seconds` at most for all of them."""
        self._closing.set()
        if self._tasks:
            _, late = await asyncio.wait(list(self._tasks), timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            if late:
                log.warning("webhooks of %d jobs were not delivered before the end", len(late))
        if self._outbox is not None:
            await asyncio.to_thread(self._outbox.close)

    async def _run(self, series: str) -> None:
        waiting = self._series[series]
        try:
            while waiting:
                message = waiting.popleft()
                result = await self._deliver(message)
                if result.gone:
                    self._forget(message, *waiting)
                    waiting.clear()
                elif not self._kept_for_later(result):
                    self._forget(message)
        finally:
            del self._series[series]

    def _kept_for_later(self, result: Result) -> bool:
        refused = not (result.taken or result.gone)
        return refused and self._closing.is_set() and self._outbox is not None

    def _forget(self, *messages: Message) -> None:
        if self._outbox is not None:
            for message in messages:
                self._outbox.forget(message)

    async def _deliver(self, message: Message) -> Result:
        """Send one message until it is taken or given up: the last attempt's result."""
        result = await self._attempt(message)
        for attempt in range(self._policy.attempts - 1):
            if result.taken or result.gone or self._closing.is_set():
                break
            await self._pause(self._policy.pause(attempt, result.retry_after))
            result = await self._attempt(message)
        if not result.taken:
            # The origin alone: paths and queries may hold secrets.
            where = parse(message.url).origin
            fate = "waits for the next start" if self._kept_for_later(result) else "is given up"
            log.warning("webhook %s to %s %s: %s", message.type, where, fate, result.problem)
        return result

    async def _attempt(self, message: Message) -> Result:
        """One POST, signed anew: the time is that of the attempt."""
        async with self._turns:
            signed = headers(self._keys, message.id, int(time.time()), message.body)
            try:
                answer = await self._fetcher.post(
                    message.url,
                    message.body,
                    {"Content-Type": "application/json", **signed},
                    self._rules,
                )
            except FetchError as error:
                return Result(problem=error.reason)
        return Result(
            taken=HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES,
            gone=answer.status == HTTPStatus.GONE,
            problem=f"status {answer.status}",
            retry_after=answer.retry_after,
        )

    async def _pause(self, seconds: float) -> None:
        """Wait, but not past the end of the server."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)
