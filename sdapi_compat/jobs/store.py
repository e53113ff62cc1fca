"""The store of jobs: a row and, once it is there, a result file for each.

A disk that is full or gone costs the jobs their memory, not their replies: what fails here is logged, and the
caller goes on without.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from sdapi_compat.errors import Fault
from sdapi_compat.jobs.database import Database, open_database
from sdapi_compat.jobs.record import StoredError
from sdapi_compat.jobs.results import ResultFiles
from sdapi_compat.jobs.retention import ROW_BYTES, Retention

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sdapi_compat.errors import SdapiError
    from sdapi_compat.jobs.record import NewJob, Record, Result

log = logging.getLogger(__name__)
FAILED = "failed"
WARN_SECONDS = 60.0
INSUFFICIENT_STORAGE = 507


class JobStore:
    """Safe from any thread. What may take a while belongs on `writer`: one thing after the other."""

    def __init__(self, folder: Path, retention: Retention) -> None:
        """Open the store in `folder`. Raises OSError or sqlite3.Error where there can be none."""
        folder.mkdir(parents=True, exist_ok=True)
        self._rows: Database = open_database(folder / "jobs.sqlite")
        self._results = ResultFiles(folder / "results")
        self._retention = retention
        self._total = 0
        self._warned = -WARN_SECONDS
        self.writer = ThreadPoolExecutor(1, "jobs")

    def close(self) -> None:
        """Finish what is being written and let go of the files."""
        self.writer.shutdown()
        self._rows.close()

    def later(self, change: Callable[[], None]) -> None:
        """Have something written, soon. After `close` nothing is."""
        with contextlib.suppress(RuntimeError):
            self.writer.submit(change)

    def add(self, job: NewJob) -> int | None:
        """Store a job before it is admitted; its row, None where that fails."""
        with self._watched("job %s is not kept", job.id):
            return self._rows.add(job)
        return None

    def begin(self, row: int) -> None:
        """The job has been taken up."""
        with self._watched("the begin of a job is not kept"):
            self._rows.begin(row, time.time())

    def put_back(self, row: int) -> None:
        """The job will be done by the next process."""
        with self._watched("the place of a job is not kept"):
            self._rows.put_back(row)

    def finish(self, row: int, state: str, result: Result) -> None:
        """Keep a result, then say that it is there. Without room for it the job counts as failed."""
        size = 0
        with self._watched("a result is not kept"):
            size = self._results.write(row, result)
        if not size:
            self.fail(row, FAILED, Fault("OSError", "The result could not be stored", INSUFFICIENT_STORAGE))
            return
        ended = False
        with self._watched("the end of a job is not kept"):
            ended = self._end(row, state, pictures=len(result.pictures), size=size)
        if not ended:
            self._results.remove(row)

    def fail(self, row: int, state: str, error: SdapiError) -> None:
        """Keep why there is no result."""
        with self._watched("the failure of a job is not kept"):
            self._end(row, state, error=StoredError.of(error).pack())

    def delete(self, row: int) -> None:
        """Forget a job and its result."""
        with self._watched("a job is not deleted"):
            self._rows.delete([row])
            self._results.remove(row)

    def find(self, job_id: str, owner: str | None) -> Record | None:
        """The newest job of that id; `owner` None: anybody's."""
        with self._watched("jobs cannot be read"):
            return self._rows.find(job_id, owner)
        return None

    def find_row(self, row: int) -> Record | None:
        """The job of that row."""
        with self._watched("jobs cannot be read"):
            return self._rows.find_row(row)
        return None

    def find_key(self, owner: str, key: str) -> Record | None:
        """The job under an idempotency key."""
        with self._watched("jobs cannot be read"):
            return self._rows.find_key(owner, key)
        return None

    def page(self, owner: str | None, state: str | None, before: int | None, limit: int) -> list[Record]:
        """Jobs, newest first; `before`: only rows under that one."""
        with self._watched("jobs cannot be read"):
            return self._rows.page(owner, state, before, limit)
        return []

    def result(self, row: int) -> Result | None:
        """The result of a job; None where there is none, or it is gone from the disk."""
        return self._results.read(row)

    def unfinished(self) -> list[Record]:
        """Jobs without an answer, oldest first."""
        with self._watched("jobs cannot be read"):
            return self._rows.unfinished()
        return []

    def document(self, row: int) -> bytes | None:
        """All that is needed to do an unanswered job again."""
        with self._watched("a job cannot be read"):
            return self._rows.document(row)
        return None

    def sweep(self) -> None:
        """At the start: delete files that no job refers to, and jobs whose time has come."""
        with self._watched("the folder of results cannot be read"):
            kept = {row for row, _, _ in self._rows.ended()}
            self._results.sweep(kept.__contains__)
        self.prune()

    def prune(self) -> None:
        """Forget the answered jobs that are too old or too many."""
        with self._watched("old jobs are not deleted"):
            ended = self._rows.ended()
            gone = set(self._retention.due(ended, time.time()))
            if gone:
                self._rows.delete(list(gone))
                for row in gone:
                    self._results.remove(row)
                self._rows.compact()
            self._total = sum(size for row, _, size in ended if row not in gone)

    def _end(
        self, row: int, state: str, *, pictures: int = 0, size: int = 0, error: bytes | None = None
    ) -> bool:
        size += ROW_BYTES
        ended = self._rows.end(row, state, time.time(), pictures=pictures, size=size, error=error)
        self._total += size
        if self._total > self._retention.max_bytes:
            self.prune()
        return ended

    @contextlib.contextmanager
    def _watched(self, words: str, *values: object) -> Iterator[None]:
        """Log a failure of the disk, as a warning now and then."""
        try:
            yield
        except (OSError, sqlite3.Error, OverflowError) as error:
            now = time.monotonic()
            due = now - self._warned >= WARN_SECONDS
            self._warned = now if due else self._warned
            level = logging.WARNING if due else logging.DEBUG
            log.log(level, f"{words}: %s: %s", *values, type(error).__name__, error)
