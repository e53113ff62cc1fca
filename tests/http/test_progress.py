"""Following, interrupting and skipping jobs while they run."""

from __future__ import annotations

import base64
import itertools
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

NUMBERS = itertools.count()
PROGRESS = "/sdapi/v1/progress"
Begun = tuple[str, Future[dict[str, Any]]]
"""A job's id and its reply to come."""


@pytest.fixture
def start(server: Any, pool: ThreadPoolExecutor) -> Iterator[Callable[..., Begun]]:
    """`start(**fields)`: begin a job. Whatever still runs is interrupted at the end."""
    begun: list[Begun] = []

    def begin(**fields: Any) -> Begun:
        name = f"task(test-{next(NUMBERS)})"
        begun.append((name, pool.submit(server.txt2img, force_task_id=name, **fields)))
        return begun[-1]

    yield begin
    for name, reply in begun:
        while not reply.done():
            server.post(f"/sdapi/v1/interrupt?id_task={name}")
        reply.result()


def is_running(server: Any, name: str, step: int = 1) -> bool:
    told = server.get(PROGRESS).json()
    return told.get("current_task") == name and told["state"]["sampling_step"] >= step


def test_progress_of_a_running_job(server: Any, start: Any, until: Any) -> None:
    name, reply = start(steps=14)
    polls = []
    until(lambda: polls.append(server.get(PROGRESS).json()) or reply.done())
    running = [poll for poll in polls if poll.get("current_task") == name]
    assert {poll["state"]["job"] for poll in running} == {"scripts_txt2img"}
    # The step starts again at 0 once the batch is decoded.
    sampling = [poll for poll in running if poll["state"]["job_no"] == 0]
    steps = [poll["state"]["sampling_step"] for poll in sampling]
    assert steps == sorted(steps)
    assert steps[-1] > steps[0]
    shares = [poll["progress"] for poll in running]
    assert shares == sorted(shares)
    assert 0.01 <= shares[0] < shares[-1] <= 1
    assert all(0 <= poll["eta_relative"] < 600 for poll in running)
    begun = [poll for poll in running if poll["state"]["sampling_steps"]]
    assert {poll["state"]["sampling_steps"] for poll in begun} == {14}
    assert {poll["state"]["job_count"] for poll in begun} == {1}
    assert all(poll["current_image"] is None for poll in sampling if poll["state"]["sampling_step"] < 10)
    assert all(poll["current_image"] for poll in sampling if poll["state"]["sampling_step"] > 10)


def test_previews_come_every_so_many_steps_as_png(server: Any, start: Any, until: Any) -> None:
    name, reply = start(steps=100, override_settings={"show_progress_every_n_steps": 2})
    shown = until(lambda: server.get(PROGRESS).json()["current_image"])
    assert base64.b64decode(shown, validate=True).startswith(b"\x89PNG")
    skipped = server.get(PROGRESS, params={"skip_current_image": "true"}).json()
    assert skipped["current_task"] == name
    assert skipped["current_image"] is None
    assert not reply.done()


@pytest.mark.parametrize("setting", [{"live_previews_enable": False}, {"show_progress_every_n_steps": -1}])
def test_previews_can_be_switched_off(server: Any, start: Any, until: Any, setting: Any) -> None:
    options = {"show_progress_every_n_steps": 1} | setting
    name, _ = start(steps=200, override_settings=options)
    until(lambda: is_running(server, name, 3))
    assert server.get(PROGRESS).json()["current_image"] is None


def test_after_the_job_the_state_is_idle_but_keeps_its_time(server: Any, start: Any) -> None:
    _, reply = start(steps=1)
    info = json.loads(reply.result()["info"])
    told = server.get(PROGRESS).json()
    assert told["progress"] == 0.0
    assert told["eta_relative"] == 0.0
    assert (told["state"]["job"], told["state"]["job_count"]) == ("", 0)
    assert told["state"]["job_timestamp"] == info["job_timestamp"]
    assert told["current_image"] is None
    assert "current_task" not in told


def test_interrupt_ends_the_job_early_with_a_picture(server: Any, start: Any, until: Any) -> None:
    name, reply = start(steps=1000)
    until(lambda: is_running(server, name))
    assert server.http.post("/sdapi/v1/interrupt").json() == {}
    answer = reply.result(timeout=60)
    assert len(answer["images"]) == 1
    assert "Steps: 1000" in json.loads(answer["info"])["infotexts"][0]
    state = server.get(PROGRESS).json()["state"]
    assert (state["interrupted"], state["skipped"], state["job_count"]) == (True, False, 0)


def test_interrupt_leaves_out_the_batches_that_have_not_begun(server: Any, start: Any, until: Any) -> None:
    name, reply = start(steps=300, n_iter=3)
    until(lambda: is_running(server, name))
    server.http.post("/sdapi/v1/interrupt")
    assert len(reply.result(timeout=60)["images"]) == 1


def test_interrupt_of_an_idle_server_does_not_reach_the_next_job(server: Any) -> None:
    assert server.http.post("/sdapi/v1/interrupt").status_code == 200
    assert server.http.post("/sdapi/v1/skip").status_code == 200
    assert server.txt2img(steps=2)["images"] == server.txt2img(steps=2)["images"]
    assert server.get(PROGRESS).json()["state"]["interrupted"] is False


def test_skip_ends_one_batch_and_goes_on(server: Any, start: Any, until: Any) -> None:
    name, reply = start(steps=40, n_iter=2)
    until(lambda: is_running(server, name))
    assert server.http.post("/sdapi/v1/skip").text == "null"
    state = until(lambda: (told := server.get(PROGRESS).json())["state"]["job_no"] == 1 and told["state"])
    assert state["job"] == "Batch 2 out of 2"
    assert state["job_count"] == 2
    server.http.post("/sdapi/v1/skip")
    answer = reply.result(timeout=120)
    assert len(answer["images"]) == 2
    assert json.loads(answer["info"])["all_seeds"] == [1, 2]


def test_a_job_can_be_named(server: Any, start: Any, until: Any) -> None:
    # Eight pictures fill the device, so that the second job waits.
    first, reply = start(steps=300, batch_size=8)
    until(lambda: is_running(server, first))
    second, waiting = start(steps=1)
    until(lambda: server.get("/internal/pending-tasks").json()["tasks"] == [second])
    assert server.get(PROGRESS, params={"id_task": first}).json()["progress"] > 0
    assert server.get(PROGRESS, params={"id_task": second}).json()["progress"] == 0
    assert server.get(PROGRESS, params={"id_task": "nobody"}).json()["state"]["job_count"] == 0
    server.post("/sdapi/v1/interrupt?id_task=nobody")
    step = server.get(PROGRESS).json()["state"]["sampling_step"]
    until(lambda: is_running(server, first, step + 2))
    server.post(f"/sdapi/v1/interrupt?id_task={first}")
    assert len(reply.result(timeout=60)["images"]) == 8
    assert len(waiting.result(timeout=60)["images"]) == 1


def internal(server: Any, name: str | None, **more: Any) -> dict[str, Any]:
    reply = server.post("/internal/progress", {"id_task": name} | more)
    assert reply.status_code == 200
    return dict(reply.json())


def test_internal_progress_tells_who_runs_waits_and_is_done(server: Any, start: Any, until: Any) -> None:
    first, running = start(steps=300, batch_size=8)
    until(lambda: is_running(server, first))
    second, _ = start(steps=1)
    until(lambda: server.get("/internal/pending-tasks").json()["size"] == 1)
    third, _ = start(steps=1)
    until(lambda: server.get("/internal/pending-tasks").json() == {"size": 2, "tasks": [second, third]})
    told = internal(server, first)
    assert (told["active"], told["queued"], told["completed"]) == (True, False, False)
    assert 0 < told["progress"] <= 1
    assert told["eta"] > 0
    assert [internal(server, name)["textinfo"] for name in (second, third)] == [
        "In queue: 1/2",
        "In queue: 2/2",
    ]
    told = internal(server, third)
    assert (told["active"], told["queued"], told["completed"]) == (False, True, False)
    assert [told[key] for key in ("progress", "eta", "live_preview")] == [None, None, None]
    assert told["id_live_preview"] == -1
    server.post(f"/sdapi/v1/interrupt?id_task={first}")
    running.result(timeout=60)
    assert internal(server, first)["completed"] is True


def test_internal_progress_of_nobody(server: Any) -> None:
    for name in ("nobody", None):
        told = internal(server, name)
        assert (told["active"], told["queued"], told["completed"]) == (False, False, False)
        assert told["textinfo"] == "Waiting..."


def test_internal_progress_sends_a_preview_only_once(server: Any, start: Any, until: Any) -> None:
    name, _ = start(steps=400, override_settings={"show_progress_every_n_steps": 3})
    told = until(lambda: (found := internal(server, name))["live_preview"] and found)
    assert re.match(r"data:image/png;base64,iVBORw", told["live_preview"])
    number = told["id_live_preview"]
    again = internal(server, name, id_live_preview=number)
    assert again["id_live_preview"] > number or again["live_preview"] is None
    assert internal(server, name, live_preview=False)["live_preview"] is None


def test_a_bad_query_is_refused(server: Any) -> None:
    reply = server.get(PROGRESS, params={"skip_current_image": "banana"})
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"] == ["query", "skip_current_image"]
