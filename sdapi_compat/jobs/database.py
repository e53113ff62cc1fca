"""The table of jobs: SQLite with a write-ahead log, one connection, one process."""

from __future__ import annotations

import itertools
import logging
import sqlite3
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdapi_compat.jobs.record import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdapi_compat.jobs.record import NewJob

log = logging.getLogger(__name__)

VERSION = 1
#: Seconds to wait for another process to let go of the file.
PATIENCE = 3.0
SET_UP = (
    # Held until the end: a second server on the same folder is told at its start, not by lost jobs.
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA auto_vacuum = INCREMENTAL",
    "PRAGMA journal_mode = WAL",
    # Survives the death of the process; only a power cut may lose the newest entries.
    "PRAGMA synchronous = NORMAL",
    "PRAGMA journal_size_limit = 67108864",
)
# AUTOINCREMENT: results are named by row, so a row number must never come twice.
TABLES = (
    """CREATE TABLE IF NOT EXISTS jobs (
        row INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL, owner TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL,
        created REAL NOT NULL, started REAL, finished REAL, attempts INTEGER NOT NULL DEFAULT 0,
        key TEXT, fingerprint TEXT,
        pictures INTEGER NOT NULL DEFAULT 0, size INTEGER NOT NULL DEFAULT 0, error BLOB,
        document BLOB
    )""",
    "CREATE INDEX IF NOT EXISTS jobs_id ON jobs (id)",
    "CREATE UNIQUE INDEX IF NOT EXISTS jobs_key ON jobs (owner, key) WHERE key IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS jobs_open ON jobs (row) WHERE finished IS NULL",
    "CREATE INDEX IF NOT EXISTS jobs_finished ON jobs (finished) WHERE finished IS NOT NULL",
)
FIELDS = ", ".join(Record.__struct_fields__)


class Database:
    """Safe from any thread; every method is one short transaction. All raise sqlite3.Error."""

    def __init__(self, path: Path) -> None:
        self._turn = threading.Lock()
        self._link = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            for statement in SET_UP:
                self._link.execute(statement)
            (version,) = self._link.execute("PRAGMA user_version").fetchone()
            if version not in (0, VERSION):
                raise sqlite3.DatabaseError(f"version {version} is not known")
            for statement in (*TABLES, f"PRAGMA user_version = {VERSION}"):
                self._link.execute(statement)
        except sqlite3.Error:
            self._link.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
        with self._turn:
            self._link.close()

    def add(self, job: NewJob) -> int:
        """Store a job that waits; gives its row. IntegrityError when its key is taken."""
        values = (job.id, job.owner, job.kind, job.created, job.key, job.fingerprint, job.document)
        with self._turn:
            done = self._link.execute(
                "INSERT INTO jobs (id, owner, kind, state, created, key, fingerprint, document)"
                " VALUES (?, ?, ?, 'queued', ?, ?, ?, ?)",
                values,
            )
        return int(done.lastrowid or 0)

    def begin(self, row: int, now: float) -> None:
        """The job runs now."""
        self._change(
            "UPDATE jobs SET state = 'running', started = ?, attempts = attempts + 1"
            " WHERE row = ? AND finished IS NULL",
            now,
            row,
        )

    def put_back(self, row: int) -> None:
        """The job waits again, as if it had not been begun this time."""
        self._change(
            "UPDATE jobs SET state = 'queued', started = NULL, attempts = max(attempts - 1, 0)"
            " WHERE row = ? AND finished IS NULL",
            row,
        )

    def end(self, row: int, state: str, now: float, *, pictures: int, size: int, error: bytes | None) -> bool:
        """The job's final state; its document goes. False when it has one already, or is deleted."""
        return self._change(
            "UPDATE jobs SET state = ?, finished = ?, pictures = ?, size = ?, error = ?, document = NULL"
            " WHERE row = ? AND finished IS NULL",
            state,
            now,
            pictures,
            size,
            error,
            row,
        )

    def delete(self, rows: Sequence[int]) -> None:
        """Forget jobs."""
        with self._turn:
            self._link.execute("BEGIN IMMEDIATE")
            self._link.executemany("DELETE FROM jobs WHERE row = ?", [(row,) for row in rows])
            self._link.execute("COMMIT")

    def compact(self) -> None:
        """Give freed pages back to the disk."""
        with self._turn:
            self._link.execute("PRAGMA incremental_vacuum").fetchall()

    def find(self, job_id: str, owner: str | None) -> Record | None:
        """The newest job of that id; `owner` None: anybody's."""
        found = self._records("id = ? AND (? IS NULL OR owner = ?)", 1, job_id, owner, owner)
        return next(iter(found), None)

    def find_row(self, row: int) -> Record | None:
        """The job of that row."""
        return next(iter(self._records("row = ?", 1, row)), None)

    def find_key(self, owner: str, key: str) -> Record | None:
        """The job under an idempotency key."""
        return next(iter(self._records("owner = ? AND key = ?", 1, owner, key)), None)

    def page(self, owner: str | None, state: str | None, before: int | None, limit: int) -> list[Record]:
        """Jobs, newest first; `before`: only rows under that one."""
        return self._records(
            "(? IS NULL OR owner = ?) AND (? IS NULL OR state = ?) AND (? IS NULL OR row < ?)",
            limit,
            *(owner, owner, state, state, before, before),
        )

    def unfinished(self) -> list[Record]:
        """Jobs without an answer, oldest first."""
        return self._records("finished IS NULL", -1)[::-1]

    def document(self, row: int) -> bytes | None:
        """All that is needed to do the job again; None once it has been answered."""
        found = self._select("SELECT document FROM jobs WHERE row = ?", row)
        return found[0][0] if found else None

    def ended(self) -> list[tuple[int, float, int]]:
        """Row, time of the answer and size of every answered job, oldest answer first."""
        return self._select(
            "SELECT row, finished, size FROM jobs WHERE finished IS NOT NULL ORDER BY finished"
        )

    def _records(self, condition: str, limit: int, *values: Any) -> list[Record]:
        rows = self._select(
            f"SELECT {FIELDS} FROM jobs WHERE {condition} ORDER BY row DESC LIMIT ?", *values, limit
        )
        return [Record(*row) for row in rows]

    def _select(self, statement: str, *values: Any) -> list[Any]:
        with self._turn:
            return self._link.execute(statement, values).fetchall()

    def _change(self, statement: str, *values: Any) -> bool:
        with self._turn:
            return self._link.execute(statement, values).rowcount > 0


def open_database(path: Path) -> Database:
    """The database at `path`, made anew where what lies there is none; that is moved aside.

    Raises sqlite3.OperationalError where another process has it, or the place cannot be written.
    """
    try:
        return Database(path)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        aside = _aside(path)
        log.warning("%s is no table of jobs (%s); it is kept as %s", path, error, aside)
        path.rename(aside)
        for ending in ("-wal", "-shm"):
            Path(f"{path}{ending}").unlink(missing_ok=True)
        return Database(path)


def _aside(path: Path) -> Path:
    names = (path.with_name(f"{path.name}.corrupt{'' if n == 1 else f'-{n}'}") for n in itertools.count(1))
    return next(name for name in names if not name.exists())
