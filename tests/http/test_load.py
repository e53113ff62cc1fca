"""Many callers at once: the control plane answers while generations wait."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

CALLERS = 100
ALONE = 20
PATIENCE = 5.0
# Rows of a merged forward may be added up in another order than one row alone.
ROUNDING = 2
TXT2IMG = "/sdapi/v1/txt2img"
CONTROL = ("/sdapi/v1/progress", "/sdapi/v1/options", "/sdapi/v1/sd-models", "/healthz")


def fields(seed: int) -> dict[str, Any]:
    """A small picture that differs from every other seed's, in steps and sampler too."""
    sampler = ("Euler", "Euler a", "DPM++ 2M", "DDIM")[seed % 4]
    return {"steps": 1 + seed % 2, "seed": seed, "sampler_name": sampler, "force_task_id": f"caller-{seed}"}


def slowest_answer(url: str, replies: Sequence[Future[Any]]) -> float:
    """Seconds of the slowest control route, asked again and again until all replies are there."""
    slowest = 0.0
    with httpx.Client(base_url=url, timeout=60) as client:
        while not all(reply.done() for reply in replies):
            for path in CONTROL:
                start = time.monotonic()
                assert client.get(path).status_code == 200
                slowest = max(slowest, time.monotonic() - start)
    return slowest


def test_a_hundred_callers_wait_and_each_gets_its_own_picture(server: Any, pictures: Any, until: Any) -> None:
    """The bound is generous because test machines are busy; without a control plane it would be minutes."""

    def pixels(reply: dict[str, Any]) -> NDArray[np.int16]:
        (image,) = reply["images"]
        return np.asarray(pictures.decode(image)).astype(np.int16)

    with (
        httpx.Client(base_url=server.url, timeout=600, limits=httpx.Limits(max_connections=None)) as client,
        ThreadPoolExecutor(CALLERS) as callers,
    ):
        small = {"prompt": "a red apple", "width": 64, "height": 64}
        replies = [callers.submit(client.post, TXT2IMG, json=small | fields(n)) for n in range(CALLERS)]
        until(lambda: server.get("/internal/pending-tasks").json()["size"] > CALLERS // 2)
        assert slowest_answer(server.url, replies) < PATIENCE
    answered = [reply.result() for reply in replies]
    assert [reply.status_code for reply in answered] == [200] * CALLERS
    assert [reply.headers["X-Sdapi-Task-Id"] for reply in answered] == [f"caller-{n}" for n in range(CALLERS)]
    assert [json.loads(reply.json()["info"])["seed"] for reply in answered] == list(range(CALLERS))
    together = [pixels(reply.json()) for reply in answered]
    assert len({picture.tobytes() for picture in together}) == CALLERS
    for seed in range(0, CALLERS, CALLERS // ALONE):
        alone = pixels(server.txt2img(**fields(seed)))
        assert int(np.abs(alone - together[seed]).max()) <= ROUNDING, seed


def test_a_full_queue_is_told_at_once(stocked: Any, pool: ThreadPoolExecutor, until: Any) -> None:
    """`stocked` lets two wait."""
    long = {"prompt": "x", "width": 64, "height": 64, "steps": 2000, "batch_size": 8}
    replies = [pool.submit(stocked.post, TXT2IMG, long | {"force_task_id": "long"})]
    until(lambda: stocked.get("/sdapi/v1/progress").json().get("current_task") == "long")
    short = long | {"steps": 1, "batch_size": 1}
    replies += [pool.submit(stocked.post, TXT2IMG, short) for _ in range(2)]
    until(lambda: stocked.get("/internal/pending-tasks").json()["size"] == 2)
    refused = stocked.post(TXT2IMG, long)
    assert refused.status_code == 503
    assert refused.json()["detail"] == "The queue is full: 2 jobs are waiting"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    stocked.post("/sdapi/v1/interrupt")
    assert [reply.result().status_code for reply in replies] == [200, 200, 200]
