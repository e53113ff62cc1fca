"""Messages outlive the server that could not deliver them."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from sdapi_compat.fetching.fetcher import Fetcher
from sdapi_compat.fetching.rules import Rules
from sdapi_compat.webhooks import outbox
from sdapi_compat.webhooks.outbox import Message, Outbox
from sdapi_compat.webhooks.policy import Policy
from sdapi_compat.webhooks.sender import Event, Sender

NOBODY = "http://127.0.0.1:1/hook"
START, DONE = Event("job.start", b"{}"), Event("job.completed", b"[]")
SLOW, QUICK = Policy(first=60.0), Policy(attempts=2, first=0.01)


def live(file: Path, policy: Policy, *events: tuple[str, str, Event], until_idle: bool = True) -> None:
    """One life of a server: send what is left and these (series, url, event); then end."""

    async def run() -> None:
        box = Outbox(file)
        sender = Sender(Fetcher(), [b"k" * 24], Rules(local=True, seconds=5.0), policy, box)
        sender.resume()
        for series, url, event in events:
            sender.send(series, url, event)
        end = time.monotonic() + 20.0
        while until_idle and sender._tasks and time.monotonic() < end:
            await asyncio.sleep(0.01)
        await sender.close(5.0)

    asyncio.run(run())


def left(file: Path) -> list[Message]:
    box = Outbox(file)
    try:
        return box.left()
    finally:
        box.close()


def message(number: int, series: str = "a", url: str = NOBODY) -> Message:
    return Message(f"msg_{number}", series, url, "job.start", b"%d" % number)


def test_what_is_kept_and_not_forgotten_is_left_in_order(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "box")
    for number in range(5):
        box.keep(message(number))
    box.forget(message(1))
    box.forget(message(7))
    box.close()
    assert left(tmp_path / "box") == [message(number) for number in (0, 2, 3, 4)]


def test_old_messages_are_no_news(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Outbox(tmp_path / "box")
    box.keep(message(1))
    box.close()
    monkeypatch.setattr(outbox, "LONGEST", -1.0)
    assert left(tmp_path / "box") == []


def test_two_servers_do_not_share_a_file(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "box")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        Outbox(tmp_path / "box")
    box.close()
    assert left(tmp_path / "box") == []


def test_a_file_that_cannot_be_written_is_told_and_harms_nobody(
    tmp_path: Path, receiver: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with sqlite3.connect(tmp_path / "box") as other:
        other.execute("CREATE TABLE messages (row INTEGER, id TEXT, created REAL, series, url, type, body)")
        other.execute("CREATE TRIGGER full BEFORE INSERT ON messages BEGIN SELECT RAISE(ABORT, 'full'); END")
    other.close()
    live(tmp_path / "box", QUICK, ("a", receiver.url, START))
    assert [one.body for one in receiver.received] == [START.body]
    assert "cannot be written: full" in caplog.text


def test_nothing_is_left_of_what_was_taken_or_given_up(tmp_path: Path, receiver: Any) -> None:
    receiver.statuses = [204, 500, 500]
    live(tmp_path / "box", QUICK, ("a", receiver.url, START), ("a", receiver.url, DONE))
    assert len(receiver.received) == 3
    assert left(tmp_path / "box") == []


def test_nothing_is_left_for_a_receiver_that_is_gone(tmp_path: Path, receiver: Any) -> None:
    receiver.statuses = [410]
    live(tmp_path / "box", QUICK, ("a", receiver.url, START), ("a", receiver.url, DONE))
    assert len(receiver.received) == 1
    assert left(tmp_path / "box") == []


def test_the_next_start_sends_what_the_end_cut_short(
    tmp_path: Path, receiver: Any, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.statuses = [500, 500, 500]
    events = ("a", receiver.url, START), ("a", receiver.url, DONE)
    live(tmp_path / "box", SLOW, *events, until_idle=False)
    assert "waits for the next start" in caplog.text
    kept = left(tmp_path / "box")
    assert [(one.series, one.url, one.type, one.body) for one in kept] == [
        ("a", receiver.url, START.type, START.body),
        ("a", receiver.url, DONE.type, DONE.body),
    ]
    first = {one.headers["webhook-id"] for one in receiver.received}
    receiver.statuses.clear()
    receiver.received.clear()
    live(tmp_path / "box", QUICK, ("a", receiver.url, Event("job.later", b"later")))
    assert [one.body for one in receiver.received] == [START.body, DONE.body, b"later"]
    assert first <= {one.headers["webhook-id"] for one in receiver.received}
    assert left(tmp_path / "box") == []
