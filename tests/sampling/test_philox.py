from __future__ import annotations

import math
import time
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdapi_compat.sampling.philox import PhiloxGenerator


def reference(seed: int, offset: int, indices: Iterable[int]) -> list[float]:
    """Philox4x32-10 and Box-Muller one counter at a time, in Python's integers."""
    out = []
    for index in indices:
        c = [offset, 0, index, 0]
        key = [seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF]
        for _ in range(10):
            p0, p1 = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
            c = [(p1 >> 32) ^ c[1] ^ key[0], p1 & 0xFFFFFFFF, (p0 >> 32) ^ c[3] ^ key[1], p0 & 0xFFFFFFFF]
            key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
        a = float(np.float32(2.3283064e-10))
        b = float(np.float32(2.3283064e-10 * 6.2831855))
        out.append(math.sqrt(-2 * math.log(c[0] * a + a / 2)) * math.sin(c[1] * b + b / 2))
    return out


def test_known_values() -> None:
    generator = PhiloxGenerator(0)
    first = generator.randn((3, 4))
    assert first.dtype == np.float32
    assert first.shape == (3, 4)
    assert first[0].tolist() == pytest.approx([-0.9246624, -0.42534396, -2.6438458, 0.14518388], abs=1e-7)
    second = generator.randn((1, 4))
    assert second[0].tolist() == pytest.approx([0.18082589, -0.5522627, 0.9238134, -0.73497033], abs=1e-7)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**64 - 1), st.integers(0, 3))
def test_against_one_counter_at_a_time(seed: int, calls: int) -> None:
    generator = PhiloxGenerator(seed)
    for _ in range(calls):
        generator.randn((5,))
    assert generator.randn((7,)).tolist() == pytest.approx(
        reference(seed, calls, range(7)), rel=1e-6, abs=1e-7
    )


def test_blocks_do_not_show() -> None:
    whole = PhiloxGenerator(3).randn((20_000,))
    assert np.array_equal(whole[:100], PhiloxGenerator(3).randn((100,)))
    assert whole[-2:].tolist() == pytest.approx(reference(3, 0, (19_998, 19_999)), rel=1e-6)


def test_seeds_wrap_at_64_bits() -> None:
    assert np.array_equal(PhiloxGenerator(-1).randn((4,)), PhiloxGenerator(2**64 - 1).randn((4,)))


def test_it_is_normal() -> None:
    noise = PhiloxGenerator(42).randn((4, 128, 128)).astype(np.float64)
    assert abs(noise.mean()) < 0.02
    assert abs(noise.std() - 1) < 0.02
    assert abs((noise**3).mean()) < 0.05


def test_it_is_fast_enough_for_a_large_picture() -> None:
    generator = PhiloxGenerator(1)
    generator.randn((4, 128, 128))
    times = []
    for _ in range(20):
        start = time.process_time()
        generator.randn((4, 128, 128))
        times.append(time.process_time() - start)
    assert min(times) < 0.025  # some 4 ms on an idle core; the bound leaves room for a busy machine
