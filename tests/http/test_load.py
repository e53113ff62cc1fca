"""Many callers at once: the control plane answers while generations wait."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

CALLERS = 60
PATIENCE = 5.0
TXT2IMG = "/sdapi/v1/txt2img"
CONTROL = ("/sdapi/v1/progress", "/sdapi/v1/options", "/sdapi/v1/sd-models", "/healthz")


def test_control_routes_answer_while_sixty_generations_wait(
    server: Any, pool: ThreadPoolExecutor, until: Any
) -> None:
    """The bound is generous because test machines are busy; without a control plane it would be minutes."""
    replies = [pool.submit(server.txt2img, steps=1, seed=seed) for seed in range(CALLERS)]
    until(lambda: server.get("/internal/pending-tasks").json()["size"] > CALLERS // 2)
    slowest = 0.0
    while not all(reply.done() for reply in replies):
        for path in CONTROL:
            start = time.monotonic()
            assert server.get(path).status_code == 200
            slowest = max(slowest, time.monotonic() - start)
    assert slowest < PATIENCE
    images = [reply.result()["images"] for reply in replies]
    assert all(len(image) == 1 for image in images)
    assert len({image[0] for image in images}) == CALLERS


def test_a_full_queue_is_told_at_once(stocked: Any, pool: ThreadPoolExecutor, until: Any) -> None:
    """`stocked` lets two wait."""
    long = {"prompt": "x", "width": 64, "height": 64, "steps": 2000, "force_task_id": "long"}
    replies = [pool.submit(stocked.post, TXT2IMG, long)]
    until(lambda: stocked.get("/sdapi/v1/progress").json().get("current_task") == "long")
    short = long | {"steps": 1, "force_task_id": None}
    replies += [pool.submit(stocked.post, TXT2IMG, short) for _ in range(2)]
    until(lambda: stocked.get("/internal/pending-tasks").json()["size"] == 2)
    refused = stocked.post(TXT2IMG, long)
    assert refused.status_code == 503
    assert refused.json()["detail"] == "The queue is full: 2 jobs are waiting"
    stocked.post("/sdapi/v1/interrupt")
    assert [reply.result().status_code for reply in replies] == [200, 200, 200]
