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
from sdapi_compat.webhooks.policy import Policy
from sdapi_compat.webhooks.signing import headers

if TYPE_CHECKING:
    from sdapi_compat.fetching.fetcher import Fetcher
    from sdapi_compat.fetching.target import Target

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
    """Posts events. `send` and `close` belong to the event loop.

    The events of one series arrive in order: the next one waits until the one before was taken or given up.
    """

    def __init__(
        self, fetcher: Fetcher, keys: Sequence[bytes], rules: Rules, policy: Policy | None = None
    ) -> None:
        self._fetcher = fetcher
        self._keys = keys
        self._rules = rules
        self._policy = policy or Policy()
        self._series: dict[object, deque[Event]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(self._policy.parallel)
        self._closing = asyncio.Event()

    def check(self, url: str) -> Target:
        """What is known of a URL before anything is sent. Raises FetchError."""
        return check(url, self._rules)

    def send(self, series: object, url: str, event: Event) -> None:
        """Queue an event behind the others of its series."""
        if series in self._series:
            self._series[series].append(event)
            return
        if len(self._series) >= self._policy.pending:
            log.warning("webhook %s is not sent: %d jobs wait already", event.type, len(self._series))
            return
        self._series[series] = deque([event])
        task = asyncio.get_running_loop().create_task(self._run(series, url))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self, seconds: float) -> None:
        """One more attempt for everything that waits, `seconds` at most for all of them."""
        self._closing.set()
        if not self._tasks:
            return
        tasks = list(self._tasks)
        _, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        if late:
            log.warning("webhooks of %d jobs were not delivered before the end", len(late))

    async def _run(self, series: object, url: str) -> None:
        waiting = self._series[series]
        try:
            while waiting:
                if not await self._deliver(url, waiting.popleft()):
                    waiting.clear()
        finally:
            del self._series[series]

    async def _deliver(self, url: str, event: Event) -> bool:
        """Send one event until it is taken or given up. False when the receiver wants nothing more."""
        message_id = f"msg_{secrets.token_urlsafe(ID_BYTES)}"
        result = await self._attempt(url, message_id, event)
        for attempt in range(self._policy.attempts - 1):
            if result.taken or result.gone or self._closing.is_set():
                break
            await self._pause(self._policy.pause(attempt, result.retry_after))
            result = await self._attempt(url, message_id, event)
        if not result.taken:
            # The origin alone: paths and queries may hold secrets.
            log.warning("webhook %s to %s is given up: %s", event.type, parse(url).origin, result.problem)
        return not result.gone

    async def _attempt(self, url: str, message_id: str, event: Event) -> Result:
        """One POST, signed anew: the time is that of the attempt."""
        async with self._turns:
            signed = headers(self._keys, message_id, int(time.time()), event.body)
            try:
                answer = await self._fetcher.post(
                    url, event.body, {"Content-Type": "application/json", **signed}, self._rules
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
