"""What the tests of jobs share: jobs that nobody waits for, and their ends."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

NUMBERS = itertools.count()
ASYNC = {"Prefer": "respond-async"}
FINAL = ("finished", "failed", "cancelled")


@pytest.fixture(scope="session")
def small() -> dict[str, Any]:
    """A request that is soon done."""
    return {"prompt": "x", "steps": 2, "width": 64, "height": 64, "sampler_name": "Euler"}


@pytest.fixture
def begin(server: Any, small: dict[str, Any]) -> Callable[..., str]:
    """`begin(**fields)`: a job that nobody waits for; its id."""

    def start(**fields: Any) -> str:
        name = f"job-{next(NUMBERS)}"
        reply = server.post("/sdapi/v1/txt2img", small | {"force_task_id": name} | fields, headers=ASYNC)
        assert reply.status_code == 202, reply.text
        return name

    return start


@pytest.fixture
def ended(server: Any, until: Any) -> Callable[[str], dict[str, Any]]:
    """`ended(id)`: the job, once it is in a final state."""

    def wait(name: str) -> dict[str, Any]:
        def look() -> Any:
            job = server.get(f"/sdapi/v1/jobs/{quote(name, safe='')}").json()
            return job["state"] in FINAL and job

        return dict(until(look))

    return wait
