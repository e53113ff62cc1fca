from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sdapi_compat.sampling.brownian import BrownianTree

SHAPE = (2, 3, 3)
LOW, HIGH = 0.0292, 14.6146


def normal(seed: int) -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def tree(entropies: Sequence[int] = (5, 6)) -> BrownianTree:
    return BrownianTree(entropies, LOW, HIGH, normal)


@pytest.mark.parametrize(
    ("start", "end"), [(14.6146, 7.1), (7.1, 0.0292), (0.31, 0.3), (1.234567, 1.234566), (3.0, 9.5)]
)
def test_it_is_torchsdes_tree(start: float, end: float) -> None:
    torchsde = pytest.importorskip("torchsde")
    low, high = sorted((start, end))
    sign = 1 if start < end else -1
    for row, entropy in enumerate((5, 6)):
        reference = torchsde.BrownianTree(LOW, torch.zeros(SHAPE), HIGH, entropy=entropy)
        expected = reference(low, high) * sign / (high - low) ** 0.5
        tolerance = 1e-5 if high - low > 1e-3 else 1e-3
        assert torch.allclose(tree()(start, end)[row], expected, atol=tolerance)


def test_a_level_outside_counts_as_the_nearest_end() -> None:
    inside = tree()(HIGH, 1.0) * (HIGH - 1.0) ** 0.5
    outside = tree()(HIGH + 5, 1.0) * (HIGH + 5 - 1.0) ** 0.5
    assert torch.allclose(inside, outside, atol=1e-5)


def test_no_step_has_no_noise() -> None:
    assert tree()(1.0, 1.0).abs().max() == 0
    assert tree()(1.0, 1.0).shape == (2, *SHAPE)


def test_an_empty_interval_is_allowed() -> None:
    BrownianTree([1], 14.0, 14.0, normal)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(LOW, HIGH), min_size=3, max_size=6, unique=True))
def test_increments_add_up_whatever_the_order(levels: list[float]) -> None:
    one, other = tree([1]), tree([1])
    levels = sorted(levels)
    if min(b - a for a, b in pairwise(levels)) < 1e-5:
        return
    whole = one(levels[0], levels[-1]) * (levels[-1] - levels[0]) ** 0.5
    parts = [other(a, b) * (b - a) ** 0.5 for a, b in reversed(list(pairwise(levels)))]
    assert torch.allclose(sum(parts[1:], parts[0]), whole, atol=1e-4)


def test_the_same_levels_give_the_same_noise_after_other_questions() -> None:
    noise = tree()
    first = noise(3.0, 2.0)
    for level in (1.9, 1.0, 7.0, 0.5, 12.0):
        noise(level, level / 2)
    assert torch.equal(noise(3.0, 2.0), first)


def test_motions_do_not_depend_on_their_company() -> None:
    together, alone = tree([5, 6]), tree([6])
    assert torch.allclose(together(4.0, 3.0)[1], alone(4.0, 3.0)[0], atol=1e-6)


def test_unit_deviation_and_independent_steps() -> None:
    noise = BrownianTree(
        [1], LOW, HIGH, lambda seed: torch.randn(4, 64, 64, generator=torch.Generator().manual_seed(seed))
    )
    one, two = noise(14.0, 9.0), noise(9.0, 1.0)
    assert one.std() == pytest.approx(1, abs=0.03)
    assert two.std() == pytest.approx(1, abs=0.03)
    assert (one * two).mean() == pytest.approx(0, abs=0.03)
