"""The middleware alone, as ASGI applications: what takes too long or is too odd for a real socket."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from typing import Any

import pytest

from sdapi_compat.errors import ApiError
from sdapi_compat.middleware import BasicAuth, RequestBody

LAST = {"type": "http.request", "body": b"end", "more_body": False}
GONE = {"type": "http.disconnect"}


def part(size: int) -> dict[str, Any]:
    return {"type": "http.request", "body": b"x" * size, "more_body": True}


class Sender:
    """Gives its messages in turn, each after so many seconds, and then waits for ever."""

    def __init__(self, messages: Sequence[dict[str, Any]], pause: float = 0.0) -> None:
        self.left = list(messages)
        self.pause = pause

    async def __call__(self) -> dict[str, Any]:
        await asyncio.sleep(self.pause if self.left else 3600)
        return self.left.pop(0)


async def answer(send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


async def reading(scope: Any, receive: Any, send: Any) -> None:
    """An application that reads the whole body."""
    while (await receive()).get("more_body"):
        pass
    await answer(send)


async def deaf(scope: Any, receive: Any, send: Any) -> None:
    """An application that answers without reading."""
    await answer(send)


def call(app: Any, receive: Any, **scope: Any) -> list[dict[str, Any]]:
    """What the application sends for one request."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app({"type": "http", "method": "POST", "headers": [], **scope}, receive, send))
    return sent


def body_of(sent: list[dict[str, Any]]) -> bytes:
    return b"".join(message.get("body", b"") for message in sent[1:])


def test_a_body_that_was_read_is_passed_on_as_it_is() -> None:
    sender = Sender([part(10), LAST])
    assert call(RequestBody(reading, 1000), sender)[1] == {"type": "http.response.body", "body": b"ok"}


def test_an_unread_body_is_read_before_the_reply_ends() -> None:
    sender = Sender([part(10), part(10), LAST])
    sent = call(RequestBody(deaf, 1000), sender)
    assert sender.left == []
    assert [message.get("more_body", False) for message in sent[1:]] == [True, False]
    assert body_of(sent) == b"ok"


def test_a_sender_that_leaves_ends_the_reading() -> None:
    sender = Sender([part(10), GONE, part(10)])
    assert body_of(call(RequestBody(deaf, 1000), sender)) == b"ok"
    assert sender.left == [part(10)]


def test_too_many_bytes_are_413() -> None:
    with pytest.raises(ApiError, match="larger than 25 bytes") as caught:
        call(RequestBody(reading, 25), Sender([part(10), part(10), part(10), LAST]))
    assert caught.value.status == 413


def test_a_declared_length_over_the_limit_is_413_before_anything_is_read() -> None:
    sender = Sender([part(10), LAST])
    with pytest.raises(ApiError):
        call(RequestBody(reading, 25), sender, headers=[(b"content-length", b"26")])
    assert sender.left == [part(10), LAST]


def test_silence_is_408() -> None:
    with pytest.raises(ApiError, match="did not arrive in time") as caught:
        call(RequestBody(reading, 1000, patience=0.05), Sender([part(10)]))
    assert caught.value.status == 408


def test_a_trickle_is_408_and_a_steady_sender_is_not() -> None:
    with pytest.raises(ApiError):
        call(RequestBody(reading, 10**6, patience=1.0), Sender([part(1)] * 100, pause=0.1))
    steady = [*[part(1024)] * 15, LAST]
    assert body_of(call(RequestBody(reading, 10**6, patience=1.0), Sender(steady, pause=0.1))) == b"ok"


def test_what_is_no_http_is_left_alone() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    call(RequestBody(app, 10), Sender([]), type="websocket")
    call(BasicAuth(app, {"me": "x"}), Sender([]), type="lifespan")
    assert seen == ["websocket", "lifespan"]


@pytest.mark.parametrize(("password", "status"), [("x", None), ("y", 401)])
def test_websockets_need_a_user_too(password: str, status: int | None) -> None:
    entered: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        entered.append(True)

    header = b"Basic " + base64.b64encode(f"me:{password}".encode())
    scope = {"type": "websocket", "headers": [(b"authorization", header)]}
    sent = call(BasicAuth(app, {"me": "x"}), Sender([]), **scope)
    assert bool(entered) == (status is None)
    assert [message["status"] for message in sent[:1]] == ([] if status is None else [status])
