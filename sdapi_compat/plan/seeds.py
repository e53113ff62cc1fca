"""Seeds: -1 becomes a number, one number becomes one per image."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LARGEST_RANDOM_SEED = 4294967293


def fixed(seed: int, chance: random.Random | None = None) -> int:
    """A1111 1.10.1 behaviour: -1 draws from 0 to 4294967293. `chance`: whom to ask for the number."""
    return (chance or random.SystemRandom()).randint(0, LARGEST_RANDOM_SEED) if seed == -1 else seed


def resolved(seed: int | tuple[int, ...], chance: random.Random) -> int | tuple[int, ...]:
    """One seed or several, without -1."""
    return fixed(seed, chance) if isinstance(seed, int) else tuple(fixed(one, chance) for one in seed)


def per_image(seed: int | Sequence[int], count: int, *, step: bool) -> tuple[int, ...]:
    """One seed per image: counted up from the first when `step`, else the same. A sequence stays as it is."""
    if not isinstance(seed, int):
        return tuple(fixed(one) for one in seed)
    first = fixed(seed)
    return tuple(first + index if step else first for index in range(count))
