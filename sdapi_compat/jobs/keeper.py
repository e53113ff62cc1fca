"""Jobs that are alive: each has a task that waits for the engine's answer and keeps what came of it.

Everything here belongs to the event loop, unless it says otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from sdapi_compat import logs
from sdapi_compat.engine.job import State, Withdrawn
from sdapi_compat.engine.loop import named
from sdapi_compat.engine.queue import ShuttingDown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sdapi_compat.engine.engine import Engine
    from sdapi_compat.engine.job import Job, Outcome
    from sdapi_compat.jobs.allowance import Allowance
    from sdapi_compat.jobs.record import Result
    from sdapi_compat.jobs.store import JobStore

log = logging.getLogger(__name__)
PRUNE_SECONDS = 60.0
T = TypeVar("T")


@dataclass(eq=False)
class Entry:
    """A job that has not been answered, or only just. `row`: its place in the store, None without one.

    `finish` turns the outcome into what is kept (CPU work). `waiting`: how many connections wait for it.
    `task` gives the result or raises the error, once either is stored. `again`: it is left to the next
    process, which does it whole. `caller`: whose place it takes, until it is answered.
    """

    job: Job
    owner: str
    row: int | None
    finish: Callable[[Outcome], Result]
    created: float
    key: str | None = None
    fingerprint: str | None = None
    waiting: int = 0
    again: bool = False
    caller: str = ""
    task: asyncio.Task[Result] = field(init=False)

    @property
    def state(self) -> State:
        """As the outside is told: a job runs until its result is there to be fetched."""
        return State.QUEUED if self.job.state is State.QUEUED else State.RUNNING

    @property
    def started(self) -> float | None:
        """Unix seconds; None until the engine has taken it up."""
        begun = self.job.progress.started
        return None if begun is None else self.created + begun - self.job.submitted


@dataclass
class Claim:
    """Whose turn it is with one idempotency key."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    callers: int = 0


class Keeper:
    """Follows jobs from their admission to their stored answer. `store` None: nothing is kept."""

    def __init__(self, engine: Engine, store: JobStore | None, allowance: Allowance) -> None:
        self.store = store
        self.allowance = allowance
        self.recovered = asyncio.Event()
        self._engine = engine
        self._live: dict[str, list[Entry]] = {}
        self._claims: dict[tuple[str, str], Claim] = {}

    def follow(self, entry: Entry) -> Entry:
        """Keep an admitted job from now on."""
        entry.task = asyncio.get_running_loop().create_task(self._keep(entry))
        entry.task.add_done_callback(lambda task: self._settled(entry, task))
        self._live.setdefault(entry.job.id, []).append(entry)
        return entry

    def find(self, job_id: str, owner: str | None) -> Entry | None:
        """The newest live job of that id; `owner` None: anybody's."""
        entries = reversed(self._live.get(job_id, []))
        return next((entry for entry in entries if owner in (None, entry.owner)), None)

    def find_key(self, owner: str, key: str) -> Entry | None:
        """The live job under an idempotency key."""
        alive = (entry for entries in self._live.values() for entry in entries)
        return next((entry for entry in alive if (entry.owner, entry.key) == (owner, key)), None)

    def alive(self) -> list[Entry]:
        """All live jobs, oldest first."""
        entries = [entry for entries in self._live.values() for entry in entries]
        return sorted(entries, key=lambda entry: entry.created)

    def withdraw(self, entry: Entry) -> None:
        """Cancel one job, and no other."""
        self._engine.withdraw(entry.job)

    @contextlib.asynccontextmanager
    async def claim(self, owner: str, key: str) -> AsyncIterator[None]:
        """Between looking for a job under a key and admitting one there is only one caller at a time."""
        claim = self._claims.setdefault((owner, key), Claim())
        claim.callers += 1
        try:
            async with claim.turn:
                yield
        finally:
            claim.callers -= 1
            if not claim.callers:
                del self._claims[owner, key]

    async def stored(self, read: Callable[[JobStore], T]) -> T | None:
        """What `read` gives of the store, off the event loop; None without a store."""
        store = self.store
        if store is None:
            return None
        return await asyncio.get_running_loop().run_in_executor(store.writer, read, store)

    async def tidy(self) -> None:
        """Forget what is too old, again and again."""
        while True:
            await asyncio.sleep(PRUNE_SECONDS)
            await self.stored(lambda store: store.prune())

    async def close(self, seconds: float) -> None:
        """Keep what the stopped engine has answered, then close the store."""
        tasks = [entry.task for entry in self.alive()]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        if self.store is not None:
            self.store.close()

    async def _keep(self, entry: Entry) -> Result:
        logs.set_job(entry.job.id)
        try:
            outcome = await asyncio.wrap_future(entry.job.reply)
            result = await asyncio.to_thread(entry.finish, outcome)
        except Exception as error:  # goes on to whoever waits, after it is kept for whoever asks later
            await self._keep_error(entry, error)
            raise
        if self._engine.queue.closed and entry.job.state is State.CANCELLED and not entry.waiting:
            # Cut short by the end of the server with nobody waiting: the next one does it whole.
            entry.again = entry.row is not None
            await self._write(entry, lambda store, row: store.put_back(row))
        else:
            state = entry.job.state.value
            await self._write(entry, lambda store, row: store.finish(row, state, result))
        _tell_end(entry, pictures=len(result.pictures))
        return result

    async def _keep_error(self, entry: Entry, error: Exception) -> None:
        if isinstance(error, ShuttingDown) and (entry.key is not None or not entry.waiting):
            # Nobody was told, or whoever was can ask again: the next process does it.
            entry.again = entry.row is not None
            return
        state = State.CANCELLED if isinstance(error, Withdrawn) else State.FAILED
        await self._write(entry, lambda store, row: store.fail(row, state.value, named(error)))
        _tell_end(entry, error=type(error).__name__)

    async def _write(self, entry: Entry, change: Callable[[JobStore, int], None]) -> None:
        row = entry.row
        if row is not None:
            await self.stored(lambda store: change(store, row))

    def _settled(self, entry: Entry, task: asyncio.Task[Any]) -> None:
        entries = self._live[entry.job.id]
        entries.remove(entry)
        if not entries:
            del self._live[entry.job.id]
        self.allowance.give_back(entry.caller)
        if not task.cancelled():
            # Looked at here, since there may be nobody else: else asyncio reports it as forgotten.
            task.exception()


def _tell_end(entry: Entry, **fields: object) -> None:
    """Log how a job ended: `waited` and `took` are seconds, `took` None for one that never began."""
    job, now = entry.job, time.monotonic()
    begun = job.progress.started
    told = {
        "event": "job_ended",
        "kind": job.kind,
        "state": job.state.value,
        "waited": round((begun or now) - job.submitted, 3),
        "took": None if begun is None else round(now - begun, 3),
        "retries": job.retries,
        **fields,
    }
    log.info("%(kind)s %(state)s, took %(took)s s, waited %(waited)s s", told, extra=told)
