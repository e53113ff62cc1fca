from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
import time

import pytest

from sdapi_compat.fetching.failures import LocalTarget
from sdapi_compat.fetching.fetcher import Fetcher
from sdapi_compat.fetching.rules import Rules
from sdapi_compat.webhooks.policy import Policy
from sdapi_compat.webhooks.sender import Event, Sender

KEYS = [b"k" * 24, b"old" * 10]
START, DONE = Event("job.start", b'{"type":"job.start"}'), Event("job.completed", b'{"type": "x"}')
QUICK = Policy(attempts=4, first=0.02, factor=1.5, longest=0.1)


def verified(received):
    """The id, where the signature is right: written from the specification, not from our code."""
    headers = received.headers
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + received.body
    right = [base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode() for key in KEYS]
    assert headers["webhook-signature"].split(" ") == [f"v1,{code}" for code in right]
    assert headers["content-type"] == "application/json"
    return headers["webhook-id"]


def sender(policy=QUICK, rules=None):
    return Sender(Fetcher(), KEYS, rules or Rules(local=True, seconds=5.0, user_agent="us/1"), policy)


def deliver(events, url, policy=QUICK, rules=None, seconds=20.0):
    """Send all events as one series and wait until nothing is left to do."""

    async def run():
        one = sender(policy, rules)
        for event in events:
            one.send("series", url, event)
        end = time.monotonic() + seconds
        while one._series and time.monotonic() < end:
            await asyncio.sleep(0.01)
        assert not one._series
        await asyncio.sleep(0)
        assert not one._tasks

    asyncio.run(run())


def test_an_event_arrives_signed(receiver):
    deliver([START], receiver.url)
    (received,) = receiver.received
    assert verified(received).startswith("msg_")
    assert "." not in verified(received)
    assert (received.path, received.body) == ("/hook?token=secret", START.body)
    assert received.headers["user-agent"] == "us/1"


@pytest.mark.parametrize("status", [301, 400, 404, 429, 500, 502])
def test_what_fails_is_sent_again(receiver, status):
    receiver.statuses = [status, status]
    deliver([START], receiver.url)
    assert len(receiver.received) == 3
    assert len({verified(one) for one in receiver.received}) == 1
    pauses = [b.when - a.when for a, b in zip(receiver.received, receiver.received[1:], strict=False)]
    assert all(pause >= 0.01 for pause in pauses)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_what_is_taken_is_not_sent_again(receiver, status):
    receiver.statuses = [status]
    deliver([START], receiver.url)
    assert len(receiver.received) == 1


def test_in_the_end_it_is_given_up(receiver, caplog):
    receiver.statuses = [500] * 4
    with caplog.at_level(logging.WARNING):
        deliver([START, DONE], receiver.url)
    assert [one.body for one in receiver.received] == [START.body] * 4 + [DONE.body]
    (record,) = caplog.records
    assert "job.start" in record.message
    assert "status 500" in record.message
    assert "secret" not in record.message


def test_order_is_kept(receiver):
    receiver.statuses = [500, 204, 503, 503]
    deliver([START, DONE], receiver.url)
    assert [one.body for one in receiver.received] == [START.body] * 2 + [DONE.body] * 3
    assert len({verified(one) for one in receiver.received}) == 2


def test_a_receiver_that_is_gone_hears_no_more(receiver):
    receiver.statuses = [410]
    deliver([START, DONE], receiver.url)
    assert len(receiver.received) == 1


def test_the_receiver_says_when(receiver):
    receiver.statuses = [503]
    receiver.headers = {"Retry-After": "1"}
    deliver([START], receiver.url, Policy(attempts=2, first=0.01, longest=5.0))
    first, second = receiver.received
    assert second.when - first.when >= 0.9


def test_nobody_listens(caplog):
    with caplog.at_level(logging.WARNING):
        deliver([START], "http://127.0.0.1:1/hook")
    assert "cannot be reached" in caplog.text


def test_a_receiver_that_hangs(receiver, caplog):
    receiver.open.clear()
    rules = Rules(local=True, seconds=0.5)
    with caplog.at_level(logging.WARNING):
        deliver([START], receiver.url, Policy(attempts=2, first=0.01), rules)
    assert len(receiver.received) == 2
    assert "more than 0.5 seconds" in caplog.text


def test_local_receivers_need_a_rule(receiver, caplog):
    with caplog.at_level(logging.WARNING):
        deliver([START], receiver.url, rules=Rules())
    assert receiver.received == []
    assert "local address" in caplog.text
    with pytest.raises(LocalTarget):
        sender(rules=Rules()).check(receiver.url)
    assert sender().check(receiver.url).host == "127.0.0.1"


def test_one_series_does_not_hold_up_another(receiver):
    async def run():
        one = sender(Policy(first=60.0))
        receiver.statuses = [500]
        one.send("a", receiver.url, START)
        await asyncio.to_thread(receiver.wait_for, 1)
        one.send("b", receiver.url, DONE)
        await asyncio.to_thread(receiver.wait_for, 2)
        await one.close(0.0)

    asyncio.run(run())
    assert [one.body for one in receiver.received[:2]] == [START.body, DONE.body]


def test_too_many_are_dropped(receiver, caplog):
    async def run():
        one = sender(Policy(pending=2))
        for series in "abc":
            one.send(series, receiver.url, START)
            one.send(series, receiver.url, DONE)
        await one.close(5.0)

    with caplog.at_level(logging.WARNING):
        asyncio.run(run())
    assert len(receiver.received) == 4
    assert "2 jobs wait already" in caplog.text


def test_the_end_makes_one_more_attempt(receiver):
    async def run():
        one = sender(Policy(first=60.0))
        receiver.statuses = [500]
        one.send("series", receiver.url, START)
        one.send("series", receiver.url, DONE)
        await asyncio.to_thread(receiver.wait_for, 1)
        await asyncio.sleep(0.1)
        start = time.monotonic()
        await one.close(10.0)
        return time.monotonic() - start

    assert asyncio.run(run()) < 5
    assert [one.body for one in receiver.received] == [START.body, START.body, DONE.body]


def test_the_end_does_not_wait_for_ever(receiver, caplog):
    async def run():
        one = sender()
        receiver.open.clear()
        one.send("series", receiver.url, START)
        await asyncio.to_thread(receiver.wait_for, 1)
        start = time.monotonic()
        await one.close(0.2)
        return time.monotonic() - start

    with caplog.at_level(logging.WARNING):
        assert asyncio.run(run()) < 2
    assert "webhooks of 1 jobs were not delivered" in caplog.text


def test_an_end_without_work():
    asyncio.run(sender().close(1.0))
