"""Messages that nobody has taken yet, kept in a file for the next start of the server."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

#: Seconds after which a message is no news any more.
LONGEST = 3 * 86400.0
SET_UP = (
    # Held until the end: two servers on one folder must not both send what is left.
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA journal_mode = WAL",
    # Survives the death of the process; only a power cut may lose the newest entries.
    "PRAGMA synchronous = NORMAL",
    """CREATE TABLE IF NOT EXISTS messages (
        row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, created REAL NOT NULL,
        series TEXT NOT NULL, url TEXT NOT NULL, type TEXT NOT NULL, body BLOB NOT NULL
    )""",
)


@dataclass(frozen=True)
class Message:
    """One event on its way: its id for the receiver, which series it belongs to, where to, and what."""

    id: str
    series: str
    url: str
    type: str
    body: bytes


class Outbox:
    """The file. It is read at the start, then written in order by a thread of its own: nobody waits for it.

    Raises sqlite3.Error where the file cannot be used. Later errors go to the log: the message is sent all
    the same, it only would not outlive the server.
    """

    def __init__(self, path: Path) -> None:
        self._link = sqlite3.connect(path, timeout=3.0, isolation_level=None, check_same_thread=False)
        try:
            for statement in SET_UP:
                self._link.execute(statement)
            self._link.execute("DELETE FROM messages WHERE created < ?", (time.time() - LONGEST,))
        except sqlite3.Error:
            self._link.close()
            raise
        self._writer = ThreadPoolExecutor(1, "outbox")

    def left(self) -> list[Message]:
        """What an earlier server did not get rid of, the oldest first."""
        rows = self._link.execute("SELECT id, series, url, type, body FROM messages ORDER BY row")
        return [Message(*row) for row in rows]

    def keep(self, message: Message) -> None:
        """Write down a message that is to be sent."""
        values = (message.id, time.time(), message.series, message.url, message.type, message.body)
        statement = "INSERT INTO messages (id, created, series, url, type, body) VALUES (?, ?, ?, ?, ?, ?)"
        self._later(lambda: self._link.execute(statement, values))

    def forget(self, message: Message) -> None:
        """Strike out a message that was taken or given up."""
        self._later(lambda: self._link.execute("DELETE FROM messages WHERE id = ?", (message.id,)))

    def close(self) -> None:
        """Finish writing and let go of the file."""
        self._writer.shutdown(wait=True)
        self._link.close()

    def _later(self, write: Callable[[], object]) -> None:
        def written() -> None:
            try:
                write()
            except sqlite3.Error as error:
                log.warning("the file of webhooks cannot be written: %s", error)

        # After `close` nothing is written: the process is about to end.
        with contextlib.suppress(RuntimeError):
            self._writer.submit(written)
