"""Clients that go away, users, and servers that keep nothing."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import httpx
import pytest

TXT2IMG = "/sdapi/v1/txt2img"
SMALL = {"prompt": "x", "steps": 2, "width": 64, "height": 64, "sampler_name": "Euler"}
ASYNC = {"Prefer": "respond-async"}


def send_and(server: Any, fields: dict[str, Any], headers: dict[str, str]) -> socket.socket:
    """A txt2img request on a connection of its own, whose reply is not read."""
    body = json.dumps(SMALL | fields).encode()
    url = httpx.URL(server.url)
    lines = [f"POST {TXT2IMG} HTTP/1.1", f"Host: {url.host}", "Content-Type: application/json"]
    lines += [f"Content-Length: {len(body)}", *(f"{name}: {value}" for name, value in headers.items())]
    connection = socket.create_connection((url.host, url.port))
    connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
    return connection


def state(server: Any, name: str) -> str:
    return str(server.get(f"/sdapi/v1/jobs/{name}").json().get("state"))


def test_a_client_that_goes_away_has_its_job_cancelled_if_it_said_so(server: Any, until: Any) -> None:
    before = server.log.read_text()
    fields = {"steps": 5000, "force_task_id": "leaving"}
    connection = send_and(server, fields, {"X-On-Disconnect": "cancel"})
    until(lambda: state(server, "leaving") == "running")
    connection.close()
    until(lambda: state(server, "leaving") == "cancelled", seconds=20)
    assert "Traceback" not in server.log.read_text()[len(before) :]


def test_by_default_the_job_is_finished_and_kept(server: Any, until: Any) -> None:
    connection = send_and(server, {"steps": 8, "force_task_id": "left"}, {})
    until(lambda: state(server, "left") == "running")
    connection.close()
    until(lambda: state(server, "left") == "finished")
    assert len(server.get("/sdapi/v1/jobs/left").json()["result"]["images"]) == 1


def test_a_job_that_others_wait_for_goes_on(server: Any, until: Any) -> None:
    headers = {"X-On-Disconnect": "cancel", "Idempotency-Key": "shared"}
    fields = {"steps": 14, "force_task_id": "shared"}
    leaving = send_and(server, fields, headers)
    until(lambda: state(server, "shared") == "running")
    staying = send_and(server, fields, headers)
    until(lambda: server.get("/sdapi/v1/jobs/shared").json()["sampling_step"] >= 2)
    leaving.close()
    assert staying.recv(100).startswith(b"HTTP/1.1 200")
    staying.close()
    assert state(server, "shared") == "finished"


def test_the_server_can_cancel_by_default_and_the_client_object(
    start_server: Callable[..., Any], until: Any
) -> None:
    server = start_server("--on-disconnect", "cancel")
    going = send_and(server, {"steps": 5000, "force_task_id": "one"}, {})
    kept = send_and(server, {"steps": 8, "force_task_id": "two"}, {"X-On-Disconnect": "finish"})
    until(lambda: (state(server, "one"), state(server, "two")) == ("running", "running"))
    going.close()
    kept.close()
    until(lambda: (state(server, "one"), state(server, "two")) == ("cancelled", "finished"))


@pytest.mark.parametrize("why", ["flag", "folder", "disk"])
def test_without_a_store_requests_are_answered_all_the_same(
    start_server: Callable[..., Any], tmp_path: Any, until: Any, why: str
) -> None:
    if why == "folder":
        (tmp_path / "jobs").write_text("a file where the folder should be")
    server = start_server(*(["--no-job-store"] if why == "flag" else []))
    if why == "disk":
        server.txt2img()
        # What a full disk does to results: they cannot be written.
        results = tmp_path / "jobs/results"
        results.rename(tmp_path / "jobs/elsewhere")
        results.write_text("no room here")
        assert server.post(TXT2IMG, SMALL).status_code == 200
        assert "a result is not kept" in server.log.read_text()
        newest = server.get("/sdapi/v1/jobs?limit=1").json()["jobs"][0]
        assert (newest["state"], newest["status"]) == ("failed", 507)
        return
    reply = server.post(TXT2IMG, SMALL, headers=ASYNC)
    assert reply.status_code == 200
    assert len(reply.json()["images"]) == 1
    refused = server.post(TXT2IMG, SMALL | {"response_format": "url"})
    assert (refused.status_code, refused.json()["detail"][0]["loc"]) == (422, ["body", "response_format"])
    assert server.get("/sdapi/v1/jobs").json() == {"jobs": [], "next": None}
    assert ("jobs are not kept" in server.log.read_text()) == (why == "folder")
    connection = send_and(server, {"steps": 5000, "force_task_id": "alive"}, {})
    until(lambda: state(server, "alive") == "running")
    assert [job["id"] for job in server.get("/sdapi/v1/jobs").json()["jobs"]] == ["alive"]
    assert server.http.delete("/sdapi/v1/jobs/alive").json()["state"] == "cancelled"
    assert connection.recv(100).startswith(b"HTTP/1.1 409")
    connection.close()
    assert server.get("/sdapi/v1/jobs/alive").status_code == 404


def test_results_are_forgotten_when_there_are_too_many(start_server: Callable[..., Any]) -> None:
    server = start_server("--jobs-max-mb", "1")
    for number in range(8):
        # The echo of the request is part of the result.
        server.txt2img(force_task_id=f"n{number}", styles=["x" * 250_000])
    kept = [job["id"] for job in server.get("/sdapi/v1/jobs").json()["jobs"]]
    assert 1 <= len(kept) <= 4
    assert kept == [f"n{number}" for number in range(7, 7 - len(kept), -1)]
