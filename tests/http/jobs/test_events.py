"""A job told as it goes, by server-sent events."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def events(lines: Any) -> Any:
    """(event, data, id) of a stream, as the standard reads it."""
    name, data, mark = "", "", None
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            data = value
        elif field == "id":
            mark = value
        elif not line and data:
            yield name, json.loads(data), mark
            name, data, mark = "", "", None


def test_events_tell_a_job_to_its_end(server: Any, begin: Any) -> None:
    name = begin(steps=100, override_settings={"show_progress_every_n_steps": 25})
    with server.http.stream("GET", f"/sdapi/v1/jobs/{name}/events") as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert reply.headers["cache-control"] == "no-cache"
        told = list(events(reply.iter_lines()))
    assert told[0][0] == "state"
    steps = [data["sampling_step"] for name, data, _ in told if name == "progress"]
    assert steps == sorted(steps)
    assert len(steps) >= 3
    previews = [data for name, data, _ in told if name == "preview"]
    assert previews
    assert all(one["image"].startswith("data:image/png;base64,iVBOR") for one in previews)
    kind, last, mark = told[-1]
    assert (kind, last["state"], mark) == ("state", "finished", "end")
    assert all(one is None for _, _, one in told[:-1])
    assert server.get(last["images"][0]).status_code == 200


def test_events_of_a_job_that_has_ended(server: Any, begin: Any, ended: Any) -> None:
    name = begin()
    ended(name)
    reply = server.get(f"/sdapi/v1/jobs/{name}/events")
    ((kind, data, mark),) = events(reply.text.split("\n"))
    assert (kind, data["state"], mark) == ("state", "finished", "end")
    assert server.get(f"/sdapi/v1/jobs/{name}/events", headers={"Last-Event-ID": "end"}).status_code == 204
    assert server.http.head(f"/sdapi/v1/jobs/{name}/events").status_code == 200
    assert server.get("/sdapi/v1/jobs/nobody/events").status_code == 404


def test_many_followers_hold_nobody_up(server: Any, begin: Any, pool: ThreadPoolExecutor) -> None:
    name = begin(steps=5000)

    def follow() -> str:
        with server.http.stream("GET", f"/sdapi/v1/jobs/{name}/events?previews=false") as reply:
            return str(list(events(reply.iter_lines()))[-1][1]["state"])

    followers = [pool.submit(follow) for _ in range(30)]
    time.sleep(1)
    server.http.delete(f"/sdapi/v1/jobs/{name}")
    assert {follower.result(timeout=30) for follower in followers} == {"cancelled"}
