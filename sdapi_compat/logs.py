"""What a log line says besides its message: which job it is about, as text or as one JSON object a line.

Bodies of requests are never logged: prompts are private and URLs hold keys.
"""

from __future__ import annotations

import contextlib
import logging
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal, TypeAlias

from pythonjsonlogger.json import JsonFormatter

if TYPE_CHECKING:
    from collections.abc import Iterator

Format: TypeAlias = Literal["text", "json"]
TEXT = "%(asctime)s %(levelname)s %(name)s%(about)s: %(message)s"
FIELDS = ("levelname", "name", "message", "job_id")
NAMES = {"levelname": "level", "name": "logger"}

_job: ContextVar[str | None] = ContextVar("job_id", default=None)


def set_job(job_id: str) -> None:
    """All that this task or thread logs from now on is about a job."""
    _job.set(job_id)


@contextlib.contextmanager
def about(job_id: str) -> Iterator[None]:
    """What is logged within is about a job."""
    token = _job.set(job_id)
    try:
        yield
    finally:
        _job.reset(token)


def configure(level: str, form: Format) -> None:
    """Log to standard error from now on."""
    handler = logging.StreamHandler()
    handler.addFilter(_with_job)
    handler.setFormatter(_Text(TEXT) if form == "text" else _json())
    logging.basicConfig(level=level, handlers=[handler], force=True)


class _Text(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:
        job_id: str | None = vars(record)["job_id"]
        # The id is the client's: whatever it holds, a line stays one line.
        vars(record)["about"] = "" if job_id is None else f" [{ascii(job_id)[1:-1]}]"
        return super().formatMessage(record)


def _json() -> JsonFormatter:
    return JsonFormatter(FIELDS, rename_fields=NAMES, timestamp="time", json_ensure_ascii=False)


def _with_job(record: logging.LogRecord) -> bool:
    vars(record)["job_id"] = _job.get()
    return True
