"""Many callers at once: the control plane answers while generations wait."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

CALLERS = 60
PATIENCE = 5.0
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


def test_a_full_queue_is_told_at_once(start_server: Any, pool: ThreadPoolExecutor, until: Any) -> None:
    server = start_server("--max-queue", "1")
    long = {"prompt": "x", "width": 64, "height": 64, "steps": 2000, "force_task_id": "long"}
    first = pool.submit(server.post, "/sdapi/v1/txt2img", long)
    until(lambda: server.get("/sdapi/v1/progress").json().get("current_task") == "long")
    second = pool.submit(server.post, "/sdapi/v1/txt2img", long | {"steps": 1, "force_task_id": "short"})
    until(lambda: server.get("/internal/pending-tasks").json()["tasks"] == ["short"])
    refused = server.post("/sdapi/v1/txt2img", long)
    assert refused.status_code == 503
    assert refused.json()["detail"] == "The queue is full: 1 jobs are waiting"
    server.post("/sdapi/v1/interrupt")
    assert [first.result().status_code, second.result().status_code] == [200, 200]
