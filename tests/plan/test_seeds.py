from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from sdapi_compat.plan import seeds

SEEDS = st.integers(min_value=0, max_value=2**63)


def test_minus_one_draws_a_seed_the_original_could_have_drawn() -> None:
    drawn = {seeds.fixed(-1) for _ in range(20)}
    assert len(drawn) > 1
    assert all(0 <= seed <= seeds.LARGEST_RANDOM_SEED for seed in drawn)


@given(SEEDS)
@settings(max_examples=30)
def test_any_other_seed_is_kept(seed: int) -> None:
    assert seeds.fixed(seed) == seed


def test_other_negative_seeds_are_kept() -> None:
    assert seeds.fixed(-2) == -2


@given(SEEDS, st.integers(min_value=1, max_value=8))
@settings(max_examples=30)
def test_seeds_count_up_from_the_first(seed: int, count: int) -> None:
    assert seeds.per_image(seed, count, step=True) == tuple(range(seed, seed + count))


@given(SEEDS, st.integers(min_value=1, max_value=8))
@settings(max_examples=30)
def test_seeds_stay_equal_without_a_step(seed: int, count: int) -> None:
    assert seeds.per_image(seed, count, step=False) == (seed,) * count


def test_a_random_first_seed_is_drawn_once() -> None:
    first, *others = seeds.per_image(-1, 4, step=True)
    assert others == [first + 1, first + 2, first + 3]
    assert len(set(seeds.per_image(-1, 4, step=False))) == 1


def test_a_list_of_seeds_stays_as_it_is_with_every_minus_one_drawn() -> None:
    kept = seeds.per_image([7, -1, 9, -1], 4, step=True)
    assert (kept[0], kept[2]) == (7, 9)
    assert kept[1] >= 0
    assert kept[3] >= 0
    assert kept[1] != kept[3]


def test_the_same_luck_draws_the_same_seeds() -> None:
    one, other = (seeds.resolved((-1, 5, -1), random.Random(7)) for _ in range(2))
    assert one == other
    assert isinstance(one, tuple)
    assert one[1] == 5
    assert one[0] != one[2]
    assert seeds.resolved(-1, random.Random(7)) == one[0]
    assert seeds.resolved(9, random.Random(7)) == 9
