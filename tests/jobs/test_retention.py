from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sdapi_compat.jobs.retention import ROOM, Retention

Ended = st.lists(st.tuples(st.floats(0, 100), st.integers(1, 50)), max_size=30).map(
    lambda pairs: [(row, when, size) for row, (when, size) in enumerate(sorted(pairs))]
)


@settings(max_examples=100, deadline=None)
@given(ended=Ended, max_age=st.floats(0, 100), max_bytes=st.integers(1, 400))
def test_what_is_due(ended: list[tuple[int, float, int]], max_age: float, max_bytes: int) -> None:
    gone = Retention(max_age, max_bytes).due(ended, now=100.0)
    assert gone == [row for row, _, _ in ended][: len(gone)]
    kept = ended[len(gone) :]
    assert all(100.0 - when <= max_age for _, when, _ in kept)
    size = sum(size for _, _, size in kept)
    assert size <= max_bytes
    if gone:
        _, when, last = ended[len(gone) - 1]
        assert 100.0 - when > max_age or size + last > max_bytes * ROOM
