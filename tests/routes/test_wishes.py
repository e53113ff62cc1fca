from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request

from sdapi_compat.errors import InvalidRequest
from sdapi_compat.routes.wishes import Wishes, wishes


def asked(*headers: tuple[str, str], default: str = "finish", **scope: Any) -> Wishes:
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    settings: Any = SimpleNamespace(on_disconnect=default)
    return wishes(Request({"type": "http", "headers": raw, **scope}), settings)


def test_without_headers_there_are_none() -> None:
    assert asked() == Wishes()
    assert asked(default="cancel") == Wishes(cancel=True)
    assert asked(user="ann", client=("10.0.0.1", 5)) == Wishes(owner="ann", caller="ann")
    assert asked(client=("10.0.0.1", 5)) == Wishes(caller="10.0.0.1")


@pytest.mark.parametrize(
    ("values", "wait"),
    [
        (["respond-async"], 0.0),
        (["Respond-Async, wait=10"], 10.0),
        (['return=minimal, wait = "7"; respond-async'], 7.0),
        (["wait=3", "respond-async"], 3.0),
        (["respond-async, wait=999999999"], 86400.0),
        (["respond-async, wait=soon"], 0.0),
    ],
)
def test_preferences(values: list[str], wait: float) -> None:
    found = asked(*(("Prefer", value) for value in values))
    assert (found.respond_async, found.wait) == (True, wait)


def test_waiting_alone_is_no_wish_to_be_answered_early() -> None:
    assert not asked(("Prefer", "wait=10")).respond_async
    assert not asked(("Prefer", "respond-asynchronously")).respond_async


def test_key_and_policy() -> None:
    found = asked(("Idempotency-Key", "k" * 255), ("X-On-Disconnect", " Cancel "))
    assert (found.key, found.cancel) == ("k" * 255, True)
    assert not asked(("X-On-Disconnect", "finish"), default="cancel").cancel
    for header in (("Idempotency-Key", "k" * 256), ("Idempotency-Key", ""), ("X-On-Disconnect", "stop")):
        with pytest.raises(InvalidRequest) as refused:
            asked(header)
        assert refused.value.problems[0].loc == ("header", header[0])
