"""Generations that share model calls give the pictures they give alone."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

JOBS: list[dict[str, Any]] = [
    {"prompt": "a red apple", "sampler_name": "Euler", "steps": 12, "seed": 1},
    {"prompt": "cat, blue background", "sampler_name": "Euler a", "steps": 9, "seed": 2, "cfg_scale": 3.0},
    {"prompt": "a heart", "sampler_name": "DPM++ 2M", "scheduler": "Karras", "steps": 7, "seed": 3},
    {"prompt": "a dog", "negative_prompt": "green", "sampler_name": "DPM++ SDE", "steps": 5, "seed": 4},
    {"prompt": "the (moon:1.3)", "sampler_name": "Heun", "steps": 6, "seed": 5, "batch_size": 2},
    {"prompt": "[a tree:a house:0.5]", "sampler_name": "LMS", "steps": 8, "seed": 6},
    {"prompt": "a star AND a yellow background", "sampler_name": "DDIM", "steps": 10, "seed": 7},
    {"prompt": "a fish", "sampler_name": "Euler", "steps": 20, "seed": 8, "cfg_scale": 1},
]
LIMIT = 2


@pytest.fixture
def plain(start_server: Callable[..., Any]) -> Any:
    """A server that makes one generation after the other."""
    return start_server("--no-merge")


def pixels(pictures: Any, reply: dict[str, Any]) -> list[Any]:
    return [np.asarray(pictures.decode(image)).astype(np.int64) for image in reply["images"]]


def test_merged_and_alone_are_the_same_pictures(server: Any, plain: Any, pictures: Any) -> None:
    alone = [pixels(pictures, plain.txt2img(**job)) for job in JOBS]
    chance = random.Random(5)

    def late(job: dict[str, Any]) -> list[Any]:
        time.sleep(chance.random() * 0.3)
        reply = server.txt2img(**job)
        assert json.loads(reply["info"])["prompt"] == job["prompt"]
        return pixels(pictures, reply)

    with ThreadPoolExecutor(len(JOBS)) as pool:
        together = list(pool.map(late, JOBS))
    for job, one, other in zip(JOBS, alone, together, strict=True):
        assert len(one) == len(other) == job.get("batch_size", 1)
        worst = max(int(np.abs(a - b).max()) for a, b in zip(one, other, strict=True))
        assert worst <= LIMIT, (job, worst)


def test_interrupting_one_of_several_leaves_the_others(server: Any, pictures: Any) -> None:
    with ThreadPoolExecutor(3) as pool:
        first, second = (
            pool.submit(server.txt2img, prompt="a cat", steps=150, seed=seed, force_task_id=f"task({seed})")
            for seed in (31, 32)
        )
        end = time.monotonic() + 30
        while server.get("/sdapi/v1/progress", params={"id_task": "task(31)"}).json()["progress"] == 0:
            assert time.monotonic() < end
        server.post("/sdapi/v1/interrupt", params={"id_task": "task(31)"})
        interrupted, finished = first.result(60), second.result(60)
    assert json.loads(interrupted["info"])["all_seeds"] == [31]
    alone = server.txt2img(prompt="a cat", steps=150, seed=32)
    [one], [other] = pixels(pictures, finished), pixels(pictures, alone)
    assert np.abs(one - other).max() <= LIMIT
