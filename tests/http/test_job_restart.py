"""Jobs outlive their process: kill -9, and an orderly end."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

TXT2IMG = "/sdapi/v1/txt2img"
SMALL = {"prompt": "x", "steps": 2, "width": 64, "height": 64, "sampler_name": "Euler a", "seed": -1}
ASYNC = {"Prefer": "respond-async"}


def begin(server: Any, name: str, **fields: Any) -> None:
    reply = server.post(TXT2IMG, SMALL | {"force_task_id": name} | fields, headers=ASYNC)
    assert reply.status_code == 202, reply.text


def job(server: Any, name: str) -> dict[str, Any]:
    return dict(server.get(f"/sdapi/v1/jobs/{name}").json())


def steps_of(server: Any, name: str) -> int:
    told = job(server, name)
    return int(told["sampling_step"]) if told["state"] == "running" else 0


def kill(server: Any) -> None:
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()


def test_after_kill_nothing_is_lost_and_nothing_is_done_twice(
    start_server: Callable[..., Any], pool: ThreadPoolExecutor, until: Any
) -> None:
    server = start_server("--no-merge")
    done = server.post(TXT2IMG, SMALL | {"force_task_id": "done"}).json()
    begin(server, "running", steps=14)
    begin(server, "waiting", override_settings={"CLIP_stop_at_last_layers": 2})
    key = {"Idempotency-Key": "k"}
    sync = pool.submit(server.post, TXT2IMG, SMALL | {"force_task_id": "sync"}, headers=key)
    gone = pool.submit(
        server.post, TXT2IMG, SMALL | {"force_task_id": "gone"}, headers={"X-On-Disconnect": "cancel"}
    )
    until(lambda: server.get("/internal/pending-tasks").json()["size"] == 3)
    # A change of the options does not reach jobs that were admitted before it, also not by way of a restart.
    server.post("/sdapi/v1/options", {"samples_format": "jpg", "eta_noise_seed_delta": 31337})
    until(lambda: steps_of(server, "running") >= 2)
    kill(server)
    for future in (sync, gone):
        with pytest.raises(httpx.TransportError):
            future.result(timeout=10)

    server = start_server("--no-merge")
    until(lambda: not server.get("/sdapi/v1/jobs?state=queued").json()["jobs"])
    until(lambda: not server.get("/sdapi/v1/jobs?state=running").json()["jobs"])
    jobs = server.get("/sdapi/v1/jobs").json()["jobs"]
    states = {one["id"]: one["state"] for one in jobs}
    assert len(jobs) == 5
    assert states == dict.fromkeys(("done", "running", "waiting", "sync"), "finished") | {"gone": "cancelled"}
    assert job(server, "done")["result"] == done
    asked = SMALL | {"force_task_id": "sync"}
    assert server.post(TXT2IMG, asked, headers=key).json() == job(server, "sync")["result"]
    for name, fields in (
        ("running", {"steps": 14}),
        ("waiting", {"override_settings": {"CLIP_stop_at_last_layers": 2}}),
    ):
        result = job(server, name)["result"]
        assert result["parameters"]["seed"] == -1
        options = {"samples_format": "png", "eta_noise_seed_delta": 0, **fields.pop("override_settings", {})}
        again = SMALL | fields | {"seed": json.loads(result["info"])["seed"], "override_settings": options}
        assert server.post(TXT2IMG, again).json()["images"] == result["images"]
    assert "Traceback" not in server.log.read_text()


def test_a_job_that_ends_the_process_is_tried_twice(start_server: Callable[..., Any], until: Any) -> None:
    server = start_server("--no-merge")
    begin(server, "poison", steps=10_000)
    until(lambda: steps_of(server, "poison") >= 1)
    begin(server, "behind", seed=4)
    kill(server)
    second = start_server("--no-merge")
    until(lambda: steps_of(second, "poison") >= 1)
    kill(second)
    server = start_server("--no-merge")
    told = until(lambda: (found := job(server, "poison"))["state"] == "failed" and found)
    assert (told["state"], told["status"]) == ("failed", 500)
    assert told["error"]["errors"] == "The server ended 2 times while this job ran"
    until(lambda: job(server, "behind")["state"] == "finished")
    assert len(server.get("/sdapi/v1/jobs").json()["jobs"]) == 2


def test_at_an_orderly_end_jobs_nobody_waits_for_are_left_to_the_next_process(
    start_server: Callable[..., Any], pool: ThreadPoolExecutor, until: Any
) -> None:
    server = start_server("--no-merge", "--graceful-timeout", "1")
    begin(server, "running", steps=16)
    until(lambda: steps_of(server, "running") >= 1)
    begin(server, "waiting")
    sync = pool.submit(server.post, TXT2IMG, SMALL | {"force_task_id": "sync"})
    until(lambda: server.get("/internal/pending-tasks").json()["size"] == 2)
    server.process.send_signal(signal.SIGTERM)
    assert sync.result(timeout=30).status_code == 503
    assert server.process.wait(timeout=60) == 0
    server = start_server("--no-merge")
    until(lambda: job(server, "waiting")["state"] == "finished")
    states = [(one["id"], one["state"]) for one in server.get("/sdapi/v1/jobs").json()["jobs"]]
    assert states == [("sync", "failed"), ("waiting", "finished"), ("running", "finished")]
    # Done whole: the interrupted part of it was thrown away.
    assert "Steps: 16" in json.loads(job(server, "running")["result"]["info"])["infotexts"][0]
