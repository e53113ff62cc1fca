"""One job for every request with the same `Idempotency-Key`."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

TXT2IMG = "/sdapi/v1/txt2img"


def test_the_same_key_is_the_same_job(server: Any, small: dict[str, Any], pool: ThreadPoolExecutor) -> None:
    key = {"Idempotency-Key": uuid.uuid4().hex}
    before = {job["id"] for job in server.get("/sdapi/v1/jobs?limit=500").json()["jobs"]}
    asked = small | {"steps": 6, "seed": -1}
    together = [pool.submit(server.post, TXT2IMG, asked, headers=key) for _ in range(4)]
    replies = [one.result(timeout=60) for one in together] + [server.post(TXT2IMG, asked, headers=key)]
    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.text for reply in replies}) == 1
    (name,) = {reply.headers["x-sdapi-task-id"] for reply in replies}
    newest = server.get("/sdapi/v1/jobs?limit=5").json()["jobs"]
    assert {job["id"] for job in newest} - before == {name}
    other = server.post(TXT2IMG, asked | {"steps": 7}, headers=key)
    assert other.status_code == 422
    assert other.json()["detail"][0]["loc"] == ["header", "Idempotency-Key"]
    assert server.post(TXT2IMG, asked).text != replies[0].text


def test_a_failure_is_the_same_again_too(server: Any, small: dict[str, Any]) -> None:
    key = {"Idempotency-Key": uuid.uuid4().hex}
    replies = [server.post(TXT2IMG, small | {"prompt": "(a:1.2.3)"}, headers=key) for _ in range(2)]
    assert [reply.status_code for reply in replies] == [500, 500]
    assert replies[0].json() == replies[1].json()


@pytest.mark.parametrize(
    "headers", [{"Idempotency-Key": ""}, {"Idempotency-Key": "k" * 256}, {"X-On-Disconnect": "explode"}]
)
def test_headers_that_say_nothing_are_refused(
    server: Any, small: dict[str, Any], headers: dict[str, str]
) -> None:
    reply = server.post(TXT2IMG, small, headers=headers)
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"] == ["header", next(iter(headers))]
