from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from itertools import pairwise

import pytest
import torch
import torchsde
from hypothesis import given, settings
from hypothesis import strategies as st
from torchsde._brownian import brownian_interval

from sdapi_compat.sampling.brownian import BrownianNoise
from sdapi_compat.sampling.philox import PhiloxGenerator

LIKE = torch.empty(2, 3, 3)
LOW, HIGH = 0.0292, 14.6146
LEVELS = [(14.6146, 7.1), (7.1, 0.0292), (0.31, 0.3), (1.234567, 1.234565), (3.0, 9.5)]


def brownian(entropies: Sequence[int] = (5, 6), *, nvidia: bool = False) -> BrownianNoise:
    return BrownianNoise(entropies, LOW, HIGH, LIKE, nvidia=nvidia)


@pytest.mark.parametrize(("start", "end"), LEVELS)
def test_it_is_torchsdes_tree_as_unit_noise(start: float, end: float) -> None:
    low, high = sorted((start, end))
    for row, entropy in enumerate((5, 6)):
        motion = torchsde.BrownianTree(LOW, torch.zeros(LIKE.shape), HIGH, entropy=entropy)(low, high)
        sign = 1 if start < end else -1
        assert torch.allclose(brownian()(start, end)[row], sign * motion / math.sqrt(high - low))


@pytest.mark.parametrize(("start", "end"), LEVELS)
def test_nvidias_normals_take_the_place_of_torchs(
    start: float, end: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    got = brownian([7], nvidia=True)(start, end)
    with monkeypatch.context() as patch:
        # What the original does: it replaces the function that torchsde draws with.
        patch.setattr(
            brownian_interval,
            "_randn",
            lambda size, dtype, device, seed: torch.from_numpy(PhiloxGenerator(int(seed)).randn(size)),
        )
        assert torch.equal(got, brownian([7])(start, end))
    assert not torch.allclose(got, brownian([7])(start, end))


def test_nvidias_normals_are_for_the_tree_alone() -> None:
    brownian([7], nvidia=True)(3.0, 2.0)
    seeded = torch.randn(3, generator=torch.Generator().manual_seed(1))
    assert not torch.equal(seeded, torch.from_numpy(PhiloxGenerator(1).randn((3,))))


def test_a_level_outside_counts_as_the_nearest_end() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        inside = brownian()(HIGH, 1.0) * (HIGH - 1.0) ** 0.5
        outside = brownian()(HIGH + 5, 1.0) * (HIGH + 5 - 1.0) ** 0.5
    assert torch.allclose(inside, outside, atol=1e-5)


@pytest.mark.parametrize("other", [1.0, 1.0 + 1e-8])
def test_no_step_has_no_noise(other: float) -> None:
    assert brownian()(1.0, other).abs().max() == 0
    assert brownian()(1.0, other).shape == (2, *LIKE.shape)


def test_an_empty_interval_is_allowed() -> None:
    assert BrownianNoise([1], 14.0, 14.0, LIKE)(14.0, 14.0).abs().max() == 0


def test_a_range_whose_ends_round_inwards_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        noise = BrownianNoise([1], 0.02916754, 14.61464249, LIKE)
        assert noise(14.61464249, 0.02916754).isfinite().all()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(LOW, HIGH), min_size=3, max_size=6, unique=True))
def test_increments_add_up_whatever_the_order(levels: list[float]) -> None:
    one, other = brownian([1]), brownian([1])
    levels = sorted(levels)
    if min(b - a for a, b in pairwise(levels)) < 1e-5:
        return
    whole = one(levels[0], levels[-1]) * (levels[-1] - levels[0]) ** 0.5
    parts = [other(a, b) * (b - a) ** 0.5 for a, b in reversed(list(pairwise(levels)))]
    assert torch.allclose(sum(parts[1:], parts[0]), whole, atol=1e-4)


def test_the_same_levels_give_the_same_noise_after_other_questions() -> None:
    noise = brownian()
    first = noise(3.0, 2.0)
    for level in (1.9, 1.0, 7.0, 0.5, 12.0):
        noise(level, level / 2)
    assert torch.allclose(noise(3.0, 2.0), first, atol=1e-5)


def test_motions_do_not_depend_on_their_company() -> None:
    together, alone = brownian([5, 6]), brownian([6])
    assert torch.equal(together(4.0, 3.0)[1], alone(4.0, 3.0)[0])


def test_the_largest_entropy() -> None:
    assert brownian([2**64 - 1])(4.0, 3.0).isfinite().all()


def test_unit_deviation_and_independent_steps() -> None:
    noise = BrownianNoise([1], LOW, HIGH, torch.empty(4, 64, 64))
    one, two = noise(14.0, 9.0), noise(9.0, 1.0)
    assert one.std() == pytest.approx(1, abs=0.03)
    assert two.std() == pytest.approx(1, abs=0.03)
    assert (one * two).mean() == pytest.approx(0, abs=0.03)
