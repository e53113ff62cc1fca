"""Webhooks of jobs on a whole server."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest

KEY = b"a key of more than 24 bytes"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
SMALL = {"prompt": "a red apple", "steps": 2, "width": 64, "height": 64, "seed": 1, "sampler_name": "Euler"}


@pytest.fixture(scope="module")
def hooked(tmp_path_factory: pytest.TempPathFactory, launch: Callable[..., Any]) -> Any:
    """A server that sends webhooks, also to this machine."""
    return launch(tmp_path_factory.mktemp("hooked"), "--webhook-secret", SECRET, "--webhook-allow-local")


def message(received: Any) -> Any:
    """The body, where the signature is right."""
    headers = received.headers
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + received.body
    code = base64.b64encode(hmac.new(KEY, content, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{code}"
    return json.loads(received.body)


def test_a_job_that_succeeds(hooked: Any, receiver: Any) -> None:
    reply = hooked.txt2img(webhook=receiver.url, force_task_id="task(mine)", batch_size=2)
    start, completed = (message(one) for one in receiver.wait_for(2))
    assert (start["type"], completed["type"]) == ("job.start", "job.completed")
    assert start["data"] == {
        "job_id": "task(mine)",
        "kind": "txt2img",
        "state": "running",
        "submitted_at": start["data"]["submitted_at"],
        "started_at": start["data"]["started_at"],
    }
    data = completed["data"]
    assert data["info"] == json.loads(reply["info"])
    assert (data["state"], data["pictures"], data["job_id"]) == ("finished", 2, "task(mine)")
    moments = [data[name] for name in ("submitted_at", "started_at", "finished_at")]
    assert moments == sorted(moments)
    assert all(moment.endswith("Z") and datetime.fromisoformat(moment[:-1]) for moment in moments)
    assert reply["images"][0] not in json.dumps(completed)
    for path, sent in zip(data["images"], reply["images"], strict=True):
        assert hooked.get(path).content == base64.b64decode(sent)


def test_the_echo_has_these_fields_only_where_they_were_sent(hooked: Any, receiver: Any) -> None:
    plain = hooked.txt2img()["parameters"]
    assert not {"webhook", "webhook_events"} & plain.keys()
    given = hooked.txt2img(webhook=receiver.url, webhook_events=["failed"])["parameters"]
    assert list(given) == [*plain, "webhook", "webhook_events"]
    assert (given["webhook"], given["webhook_events"]) == (receiver.url, ["failed"])
    assert "webhook_events" not in hooked.txt2img(webhook=None)["parameters"]
    assert receiver.received == []


def test_only_what_is_wanted(hooked: Any, receiver: Any, pictures: Any) -> None:
    image = pictures.decode(hooked.txt2img()["images"][0])
    hooked.img2img(image, webhook=receiver.url, webhook_events=["completed"])
    receiver.wait_for(1)
    hooked.txt2img(webhook=receiver.url, webhook_events=["start"])
    receiver.wait_for(2)
    found = [message(one) for one in receiver.received]
    assert [one["type"] for one in found] == ["job.completed", "job.start"]
    assert found[0]["data"]["kind"] == "img2img"


def test_a_job_that_fails(hooked: Any, receiver: Any) -> None:
    body = SMALL | {"webhook": receiver.url, "prompt": "(a:1.2.3)"}
    reply = hooked.post("/sdapi/v1/txt2img", body)
    assert reply.status_code == 500
    start, failed = (message(one) for one in receiver.wait_for(2))
    assert (start["type"], failed["type"]) == ("job.start", "job.failed")
    assert failed["data"]["error"] == {"status": 500, **reply.json()}
    assert failed["data"]["state"] == "failed"


def test_sent_again_until_it_is_taken(hooked: Any, receiver: Any) -> None:
    receiver.statuses = [500, 503]
    hooked.txt2img(webhook=receiver.url)
    received = receiver.wait_for(4)
    assert [message(one)["type"] for one in received] == ["job.start"] * 3 + ["job.completed"]
    assert len({one.headers["webhook-id"] for one in received}) == 2


def test_a_dead_receiver_disturbs_nobody(hooked: Any) -> None:
    assert hooked.txt2img(webhook="http://127.0.0.1:1/")["images"]
    assert hooked.txt2img()["images"]


@pytest.mark.parametrize(
    ("fields", "loc"),
    [
        ({"webhook": "ftp://a.example/"}, ["body", "webhook"]),
        ({"webhook": "http://user:secret@a.example/"}, ["body", "webhook"]),
        ({"webhook": "http://a.example/", "webhook_events": ["ended"]}, ["body", "webhook_events", 0]),
        ({"webhook": "http://a.example/", "webhook_events": "start"}, ["body", "webhook_events"]),
        ({"webhook": ["http://a.example/"]}, ["body", "webhook"]),
    ],
)
def test_requests_that_are_refused(hooked: Any, fields: dict[str, Any], loc: list[Any]) -> None:
    reply = hooked.post("/sdapi/v1/txt2img", SMALL | fields)
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"] == loc


def test_without_a_secret_there_are_none(server: Any, receiver: Any) -> None:
    reply = server.post("/sdapi/v1/txt2img", SMALL | {"webhook": receiver.url})
    assert reply.status_code == 422
    assert "--webhook-secret" in reply.json()["detail"][0]["msg"]
    assert server.txt2img(webhook="")["images"]


def test_local_receivers_need_the_flag(
    launch: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory, receiver: Any
) -> None:
    strict = launch(tmp_path_factory.mktemp("strict"), "--webhook-secret", SECRET, ready=False)
    for url in (receiver.url, "http://10.0.0.1/", "https://[::1]/", "http://a.example:8080/"):
        reply = strict.post("/sdapi/v1/txt2img", SMALL | {"webhook": url})
        assert reply.status_code == 422, url
    assert receiver.received == []


def test_the_fields_are_in_the_document(hooked: Any) -> None:
    schemas = hooked.get("/openapi.json").json()["components"]["schemas"]
    for name in ("StableDiffusionProcessingTxt2Img", "StableDiffusionProcessingImg2Img"):
        assert "--webhook-secret" in schemas[name]["properties"]["webhook"]["description"]
        assert "start" in json.dumps(schemas[name]["properties"]["webhook_events"])


def test_what_ends_with_the_server_is_told(start_server: Callable[..., Any], receiver: Any) -> None:
    """A running job is cut short and a waiting one refused; both are told before the process is gone."""
    flags = ["--webhook-secret", SECRET, "--webhook-allow-local", "--graceful-timeout", "0.5", "--no-merge"]
    ending = start_server(*flags)
    long = SMALL | {"steps": 5000, "webhook": receiver.url, "force_task_id": "running"}
    with ThreadPoolExecutor(2) as threads:
        running = threads.submit(ending.post, "/sdapi/v1/txt2img", long)
        receiver.wait_for(1)
        waiting = threads.submit(ending.post, "/sdapi/v1/txt2img", long | {"force_task_id": "waiting"})
        while ending.get("/internal/pending-tasks").json()["size"] < 1:
            pass
        ending.process.send_signal(signal.SIGTERM)
        assert waiting.result().status_code == 503
        assert running.result().status_code == 200
    ending.process.wait(30)
    found = [message(one) for one in receiver.received]
    assert {(one["data"]["job_id"], one["type"]) for one in found} == {
        ("running", "job.start"),
        ("running", "job.completed"),
        ("waiting", "job.failed"),
    }
    told = {one["data"]["job_id"]: one["data"] for one in found}
    assert told["running"]["state"] == "cancelled"
    assert told["waiting"]["error"]["status"] == 503
    assert "started_at" not in told["waiting"]


def test_what_a_crash_leaves_is_told_after_the_next_start(
    start_server: Callable[..., Any], receiver: Any
) -> None:
    flags = ["--webhook-secret", SECRET, "--webhook-allow-local"]
    receiver.statuses = [500] * 100
    dying = start_server(*flags)
    dying.txt2img(webhook=receiver.url, webhook_events=["completed"], force_task_id="told late")
    refused = receiver.wait_for(1)[0]
    dying.process.kill()
    dying.process.wait(30)
    receiver.statuses.clear()
    seen = len(receiver.received)
    start_server(*flags, ready=False)
    again = receiver.wait_for(seen + 1)[seen]
    assert message(again)["data"]["job_id"] == "told late"
    assert again.headers["webhook-id"] == refused.headers["webhook-id"]
    assert again.body == refused.body
