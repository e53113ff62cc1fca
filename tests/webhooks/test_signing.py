from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdapi_compat.webhooks.signing import headers, signature

# The example that libraries of the specification test themselves with.
KEY = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
KNOWN = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_known_signature():
    assert signature(KEY, *KNOWN) == SIGNATURE


def test_headers():
    assert headers([KEY], *KNOWN) == {
        "webhook-id": KNOWN[0],
        "webhook-timestamp": "1614265330",
        "webhook-signature": SIGNATURE,
    }


def test_every_key_signs():
    first, second = headers([b"another key of many bytes", KEY], *KNOWN)["webhook-signature"].split(" ")
    assert second == SIGNATURE
    assert first != second


@given(st.binary(min_size=24, max_size=64), st.integers(0, 2**40), st.binary())
def test_against_the_definition(key, timestamp, body):
    content = b"msg_x." + str(timestamp).encode() + b"." + body
    code = hmac.new(key, content, hashlib.sha256).digest()
    assert signature(key, "msg_x", timestamp, body) == "v1," + base64.b64encode(code).decode()


@pytest.mark.parametrize("place", range(3))
def test_everything_is_signed(place):
    changed = list(KNOWN)
    changed[place] = ("msg_y", 1614265331, b"{}")[place]
    assert signature(KEY, *changed) != SIGNATURE
