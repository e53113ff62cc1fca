"""The linear multistep method."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from numpy.polynomial import Polynomial
from torch import Tensor

from sdapi_compat.sampling.ask import Denoise, SigmaSampler
from sdapi_compat.sampling.samplers.steps import derivative

_ORDER = 4


def lms(x: Tensor, sigmas: Sequence[float]) -> SigmaSampler:
    """Adams-Bashforth of order 4 on uneven steps: Liu et al. 2022, "Pseudo Numerical Methods", in sigma."""
    ds: deque[Tensor] = deque(maxlen=_ORDER)
    for i, sigma in enumerate(sigmas[:-1]):
        denoised = yield Denoise(x, sigma, i)
        ds.appendleft(derivative(x, sigma, denoised))
        levels = sigmas[max(i - _ORDER + 1, 0) : i + 1][::-1]
        for d, coefficient in zip(ds, multistep_coefficients(levels, sigmas[i + 1]), strict=True):
            x = x + d * coefficient
    return x


def multistep_coefficients(levels: Sequence[float], target: float) -> list[float]:
    """Integrals from levels[0] to `target` of the Lagrange polynomials through `levels` (newest first).

    Levels that repeat get no polynomial of their own: the newest of them stands for all.
    """
    distinct = list(dict.fromkeys(levels))
    integrals = {level: _lagrange_integral(distinct, level, target) for level in distinct}
    return [integrals.pop(level, 0.0) for level in levels]


def _lagrange_integral(levels: Sequence[float], level: float, target: float) -> float:
    others = [other for other in levels if other != level]
    # Measured from levels[0], so that the powers of large sigmas do not cancel.
    lagrange = Polynomial([1.0])
    for other in others:
        lagrange = lagrange * Polynomial([levels[0] - other, 1.0]) / (level - other)
    return float(lagrange.integ()(target - levels[0]))
