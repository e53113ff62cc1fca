"""A store in a folder of its own, and jobs to put into it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sdapi_compat.jobs.record import Encoded, NewJob, Result
from sdapi_compat.jobs.retention import Retention
from sdapi_compat.jobs.store import JobStore

NUMBERS = itertools.count()


@pytest.fixture
def new_job() -> Callable[..., NewJob]:
    """`new_job(id=...)`: a job about to be stored."""

    def make(**fields: Any) -> NewJob:
        usual = {"id": f"job-{next(NUMBERS)}", "owner": "", "kind": "txt2img", "created": 1.0}
        return NewJob(**{**usual, "document": b"how to do it", **fields})

    return make


@pytest.fixture
def result() -> Result:
    """A result with one picture."""
    return Result([Encoded("PNG", b"\x89PNG and so on")], b'{"steps": 2}', '{"seed": 1}')


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Callable[..., JobStore]]:
    """`open_store(max_bytes=...)`: the store in the test's folder. One may be open at a time."""
    stores: list[JobStore] = []

    def start(max_age: float = 3600.0, max_bytes: int = 2**30) -> JobStore:
        for store in stores:
            store.close()
        stores[:] = [JobStore(tmp_path / "jobs", Retention(max_age, max_bytes))]
        return stores[0]

    yield start
    for store in stores:
        store.close()
