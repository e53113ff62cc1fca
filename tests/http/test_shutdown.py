"""The end of a server: what runs is answered, what waits is refused, nobody new is let in."""

from __future__ import annotations

import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

TINY = {"prompt": "x", "width": 64, "height": 64, "seed": 1, "sampler_name": "Euler"}
TXT2IMG = "/sdapi/v1/txt2img"


def is_running(server: Any, step: int = 1) -> bool:
    return bool(server.get("/sdapi/v1/progress").json()["state"]["sampling_step"] >= step)


def test_at_sigterm_the_running_job_is_finished_and_the_waiting_refused(
    start_server: Callable[..., Any], pool: ThreadPoolExecutor, until: Any
) -> None:
    server = start_server("--no-merge", "--graceful-timeout", "300")
    running = pool.submit(server.post, TXT2IMG, TINY | {"steps": 25})
    until(lambda: is_running(server))
    waiting = pool.submit(server.post, TXT2IMG, TINY | {"steps": 1})
    until(lambda: server.get("/internal/pending-tasks").json()["size"] == 1)
    server.process.send_signal(signal.SIGTERM)
    refused = waiting.result(timeout=10)
    assert refused.status_code == 503
    assert refused.json()["detail"] == "The server is shutting down"
    assert not running.done()
    until(lambda: refuses_connections(server.url), seconds=10)
    finished = running.result(timeout=120)
    assert finished.status_code == 200
    assert len(finished.json()["images"]) == 1
    assert server.process.wait(timeout=30) == 0
    assert "Traceback" not in server.log.read_text()


def refuses_connections(url: str) -> bool:
    try:
        httpx.get(f"{url}/healthz", timeout=2)
    except httpx.ConnectError:
        return True
    return False


@pytest.mark.parametrize("second_signal", [False, True], ids=["time is up", "second signal"])
def test_a_long_job_answers_with_what_it_has(
    start_server: Callable[..., Any], pool: ThreadPoolExecutor, until: Any, second_signal: bool
) -> None:
    server = start_server("--graceful-timeout", "300" if second_signal else "1")
    running = pool.submit(server.post, TXT2IMG, TINY | {"steps": 10_000})
    until(lambda: is_running(server))
    server.process.send_signal(signal.SIGINT)
    if second_signal:
        until(lambda: refuses_connections(server.url), seconds=10)
        server.process.send_signal(signal.SIGINT)
    finished = running.result(timeout=60)
    assert finished.status_code == 200
    assert len(finished.json()["images"]) == 1
    assert server.process.wait(timeout=30) == 0


def test_a_server_that_is_still_loading_answers_and_ends_cleanly(start_server: Callable[..., Any]) -> None:
    server = start_server(ready=False)
    ready = server.get("/readyz")
    assert (ready.status_code, ready.json()) == (503, {"status": "loading"})
    for path in ("/healthz", "/sdapi/v1/sd-models", "/sdapi/v1/options", "/sdapi/v1/progress", "/docs"):
        assert server.get(path).status_code == 200
    assert server.get("/internal/profile-startup").json() is None
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=60) == 0
    assert "Traceback" not in server.log.read_text()
