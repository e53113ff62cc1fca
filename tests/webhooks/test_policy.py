from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdapi_compat.webhooks.policy import Policy


@pytest.mark.parametrize(("attempt", "most"), [(0, 1), (1, 3), (2, 9), (3, 27), (4, 60), (50, 60)])
def test_pauses_grow_and_scatter(attempt, most):
    pauses = [Policy().pause(attempt, None) for _ in range(200)]
    assert all(most / 2 <= pause <= most for pause in pauses)
    assert len(set(pauses)) > 100


@given(st.integers(0, 100), st.none() | st.floats(0, allow_infinity=True, allow_nan=False))
def test_pauses_are_bounded(attempt, retry_after):
    policy = Policy()
    assert 0 < policy.pause(attempt, retry_after) <= policy.longest


def test_the_receiver_is_heard():
    assert Policy().pause(0, 20.0) == 20.0
    assert Policy().pause(0, 86400.0) == 60.0
    assert Policy().pause(4, 1.0) >= 30.0
