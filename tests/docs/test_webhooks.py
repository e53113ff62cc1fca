"""The example of docs/webhooks.md verifies what the server signs, and the numbers on the page are right."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from sdapi_compat.fetching.fetcher import FETCHES, FETCHES_PER_CALLER
from sdapi_compat.fetching.rules import WEB_PORTS, Rules
from sdapi_compat.routes.notices import EVENTS
from sdapi_compat.routes.urls import MOST_URLS, SECONDS
from sdapi_compat.services import WEBHOOK_SECONDS
from sdapi_compat.webhooks.policy import Policy
from sdapi_compat.webhooks.signing import headers

KEY = b"k" * 32
SECRET = "whsec_" + base64.b64encode(KEY).decode()


@pytest.fixture
def is_genuine(blocks: Callable[[str, str], list[str]]) -> Any:
    names: dict[str, Any] = {}
    (code,) = blocks("webhooks.md", "python")
    exec(code, names)
    return names["is_genuine"]


def test_the_example_verifies(is_genuine: Any) -> None:
    body = b'{"type":"job.start"}'
    sent = headers([b"another" * 5, KEY], "msg_x", int(time.time()), body)
    assert is_genuine(SECRET, sent, body)
    assert not is_genuine(SECRET, sent, body + b" ")
    assert not is_genuine(SECRET, sent | {"webhook-id": "msg_y"}, body)
    assert not is_genuine(SECRET, headers([KEY], "msg_x", int(time.time()) - 600, body), body)


def test_the_payload_is_json(blocks: Callable[[str, str], list[str]]) -> None:
    (payload,) = blocks("webhooks.md", "json")
    assert json.loads(payload)["type"] == "job.completed"


def test_events_are_those_of_the_page(page: Callable[[str], str]) -> None:
    for event in EVENTS:
        assert f"| `job.{event}` |" in page("webhooks.md")


def test_numbers(page: Callable[[str], str]) -> None:
    policy = Policy()
    assert (policy.attempts, policy.longest, policy.pending) == (6, 60.0, 2000)
    assert [min(policy.first * policy.factor**n, policy.longest) for n in range(5)] == [1, 3, 9, 27, 60]
    assert "six attempts in all, with pauses of about 1, 3, 9, 27 and 60 seconds" in page("webhooks.md")
    assert f"within {WEBHOOK_SECONDS:g} seconds" in page("webhooks.md")
    assert f"has {SECONDS:g} seconds" in page("urls.md")
    assert f"up to {Rules().redirects} times" in page("urls.md")
    assert f"{MOST_URLS} different URLs" in page("urls.md")
    assert f"{FETCHES_PER_CALLER} of them at a time, {FETCHES} at a time" in page("urls.md")
    assert {80, 443} == WEB_PORTS
