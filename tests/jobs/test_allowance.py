"""How many jobs each caller may have."""

from __future__ import annotations

import pytest

from sdapi_compat.errors import Busy
from sdapi_compat.jobs.allowance import Allowance


def test_each_caller_has_its_own_places() -> None:
    allowance = Allowance(2)
    for caller in ("ann", "ann", "bob", "bob"):
        allowance.take(caller)
    with pytest.raises(Busy) as refused:
        allowance.take("ann")
    assert refused.value.status == 429
    assert refused.value.headers == {"Retry-After": "1"}
    assert "2 of your jobs" in refused.value.detail
    allowance.give_back("ann")
    allowance.take("ann")
    with pytest.raises(Busy):
        allowance.take("bob")


def test_without_a_limit_nobody_is_refused() -> None:
    allowance = Allowance(0)
    for _ in range(1000):
        allowance.take("ann")


def test_what_was_admitted_before_is_not_refused_and_counts() -> None:
    allowance = Allowance(1)
    allowance.take("ann", again=True)
    allowance.take("ann", again=True)
    allowance.give_back("ann")
    with pytest.raises(Busy):
        allowance.take("ann")
