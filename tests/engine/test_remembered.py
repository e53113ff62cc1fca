from __future__ import annotations

import torch

from sdapi_compat.engine.remembered import Remembered


def test_what_was_used_longest_ago_goes_first() -> None:
    kept = Remembered(most=2)
    one, two, three = (torch.full((2,), float(number)) for number in range(3))
    kept.put("one", one)
    kept.put("two", two)
    assert kept.get("one") is one
    kept.put("three", three)
    assert kept.get("two") is None
    assert kept.get("one") is one
    assert kept.get("three") is three


def test_bytes_are_bounded() -> None:
    kept = Remembered(most_bytes=100)
    kept.put("a", torch.zeros(10))
    kept.put("b", torch.zeros(10))
    assert kept.get("a") is not None
    kept.put("c", torch.zeros(10))
    assert kept.get("b") is None
    assert kept.get("a") is not None
    kept.put("huge", torch.zeros(1000))
    assert kept.get("huge") is None
    assert kept.get("a") is not None
    assert kept.get("c") is not None


def test_a_key_again_replaces_what_was_there() -> None:
    kept = Remembered(most=2)
    first, second = torch.zeros(1), torch.ones(1)
    kept.put("a", first)
    kept.put("a", second)
    assert kept.get("a") is second
    kept.clear()
    assert kept.get("a") is None
