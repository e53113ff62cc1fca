"""Callers beside each other: each has its share, and some jobs are more urgent than others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

TXT2IMG = "/sdapi/v1/txt2img"
SMALL = {"prompt": "x", "steps": 2, "width": 64, "height": 64, "sampler_name": "Euler"}
LONG = SMALL | {"steps": 5000, "batch_size": 8}
ASYNC = {"Prefer": "respond-async"}


@pytest.fixture(scope="module")
def shared(launch: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server of two users, each of whom may have two jobs; the caller is "ann"."""
    flags = ["--api-auth", "ann:a,bob:b", "--max-jobs-per-key", "2"]
    return launch(tmp_path_factory.mktemp("shared"), *flags, auth=("ann", "a"))


def test_jobs_belong_to_their_users(shared: Any) -> None:
    server = shared
    bob = httpx.Client(base_url=server.url, auth=("bob", "b"), timeout=60)
    key = {"Idempotency-Key": "k"}
    assert server.post(TXT2IMG, SMALL | {"force_task_id": "hers", "seed": 1}, headers=key).status_code == 200
    for request in (
        ("GET", "/sdapi/v1/jobs/hers"),
        ("GET", "/sdapi/v1/jobs/hers/images/0"),
        ("GET", "/sdapi/v1/jobs/hers/events"),
        ("DELETE", "/sdapi/v1/jobs/hers"),
    ):
        assert bob.request(*request).status_code == 404
    assert bob.get("/sdapi/v1/jobs").json()["jobs"] == []
    assert (
        bob.post(TXT2IMG, json=SMALL | {"force_task_id": "hers", "seed": 2}, headers=key).status_code == 200
    )
    mine, his = server.get("/sdapi/v1/jobs/hers").json(), bob.get("/sdapi/v1/jobs/hers").json()
    assert mine["result"]["parameters"]["seed"] == 1
    assert his["result"]["parameters"]["seed"] == 2
    assert (
        bob.post(TXT2IMG, json=SMALL | {"force_task_id": "his", "steps": 5000}, headers=ASYNC).status_code
        == 202
    )
    assert server.http.delete("/sdapi/v1/jobs/his").status_code == 404
    assert bob.delete("/sdapi/v1/jobs/his").json()["state"] == "cancelled"
    assert httpx.get(f"{server.url}/sdapi/v1/jobs").status_code == 401
    bob.close()


def test_nobody_takes_more_than_the_share_of_one(shared: Any, until: Any) -> None:
    server = shared

    def ask(user: str, **fields: Any) -> httpx.Response:
        auth = (user, user[0])
        return httpx.post(server.url + TXT2IMG, json=SMALL | fields, headers=ASYNC, auth=auth)

    first = [ask("ann", steps=5000), ask("ann")]
    assert [reply.status_code for reply in first] == [202, 202]
    refused = ask("ann")
    assert refused.status_code == 429
    assert refused.json()["error"] == "HTTPException"
    assert "of your jobs" in refused.json()["detail"]
    assert refused.headers["retry-after"] == "1"
    assert ask("bob").status_code == 202
    until(lambda: server.get(first[1].headers["location"]).json()["state"] == "finished")
    assert ask("ann").status_code == 202
    server.http.delete(first[0].headers["location"])
    # What is refused for itself takes no place.
    for _ in range(5):
        assert ask("bob", steps=0).status_code == 422
    until(lambda: ask("bob").status_code == 202)


def test_urgent_jobs_are_begun_first(server: Any, pool: ThreadPoolExecutor, until: Any) -> None:
    long = server.post(TXT2IMG, LONG | {"force_task_id": "before"}, headers=ASYNC).headers["location"]
    until(lambda: server.get(long).json()["state"] == "running")
    asked = {"usual": {}, "late": {"priority": -5}, "urgent": {"priority": 5}}
    for name, fields in asked.items():
        # As large as may be in work at once, so that they run one after another.
        sent = SMALL | fields | {"force_task_id": name, "batch_size": 8}
        assert server.post(TXT2IMG, sent, headers=ASYNC).status_code == 202
    server.http.delete(long)
    paths = {name: f"/sdapi/v1/jobs/{name}" for name in asked}
    until(lambda: all(server.get(path).json()["state"] == "finished" for path in paths.values()))
    begun = {name: server.get(path).json()["started_at"] for name, path in paths.items()}
    assert sorted(begun, key=lambda name: begun[name]) == ["urgent", "usual", "late"]
    assert server.get(paths["urgent"]).json()["result"]["parameters"]["priority"] == 5


@pytest.mark.parametrize("priority", [101, -101, "high"])
def test_priorities_have_bounds(server: Any, priority: Any) -> None:
    reply = server.post(TXT2IMG, SMALL | {"priority": priority})
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"] == ["body", "priority"]
