from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate
from torch import Tensor

from sdapi_compat.sampling.samplers.lms import lms, multistep_coefficients


def by_quadrature(levels: Sequence[float], target: float, j: int) -> float:
    def polynomial(tau: float) -> float:
        product = 1.0
        for k, level in enumerate(levels):
            if k != j:
                product *= (tau - level) / (levels[j] - level)
        return product

    return float(integrate.quad(polynomial, levels[0], target)[0])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.5, 2.0), min_size=2, max_size=5))
def test_coefficients_are_integrals_of_lagrange_polynomials(ratios: list[float]) -> None:
    levels = [1.0]
    for ratio in ratios:
        levels.insert(0, levels[0] / (1 + ratio))
    target, levels = levels[0], levels[1:]
    expected = [by_quadrature(levels, target, j) for j in range(len(levels))]
    assert multistep_coefficients(levels, target) == pytest.approx(expected, rel=1e-8)


def test_coefficients_of_the_first_steps() -> None:
    assert multistep_coefficients([3.0], 1.0) == [-2.0]
    assert sum(multistep_coefficients([1.0, 2.0, 4.0, 9.0], 0.5)) == pytest.approx(-0.5)


def test_repeated_levels_count_once() -> None:
    assert multistep_coefficients([2.0, 2.0, 4.0], 1.0) == pytest.approx(
        [*multistep_coefficients([2.0, 4.0], 1.0)[:1], 0.0, multistep_coefficients([2.0, 4.0], 1.0)[1]]
    )


@pytest.mark.parametrize("n", [1, 2, 3, 20])
def test_lms(n: int, drive: Any, wavy: Callable[[Tensor, float], Tensor], start: Tensor) -> None:
    sigmas = [*torch.logspace(1, -1, n, dtype=torch.float64).tolist(), 0.0]
    x, ds = start * sigmas[0], []
    for i in range(n):
        ds.insert(0, (x - wavy(x, sigmas[i])) / sigmas[i])
        levels = sigmas[: i + 1][::-1][:4]
        x = x + sum(d * by_quadrature(levels, sigmas[i + 1], j) for j, d in enumerate(ds[:4]))
    got = drive(lms(start * sigmas[0], sigmas), wavy)
    assert len(got.asks) == n
    assert torch.allclose(got.x, x, rtol=1e-7, atol=1e-7)


def test_it_survives_a_level_that_repeats(drive: Any, start: Tensor) -> None:
    got = drive(lms(start, [4.0, 2.0, 2.0, 1.0, 0.0]), lambda x, sigma: x * 0)
    assert torch.allclose(got.x, torch.zeros_like(start), atol=1e-12)
