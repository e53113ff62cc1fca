from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from sdapi_compat.sampling.samplers import dpmpp, dpmpp_sde

Model = Callable[[Tensor, float], Tensor]


@pytest.mark.parametrize("n", [1, 2, 3, 20])
@pytest.mark.parametrize("end", [0.0, 0.05])
def test_dpmpp_2m(n: int, end: float, drive: Any, wavy: Model, start: Tensor) -> None:
    sigmas = [*torch.logspace(1, -1, n, dtype=torch.float64).tolist(), end]
    x, old = start * sigmas[0], None
    for i, (s, t) in enumerate(pairwise(sigmas)):
        denoised = wavy(x, s)
        d = denoised
        if old is not None and t > 0:
            r = math.log(sigmas[i - 1] / s) / math.log(s / t)
            d = (1 + 1 / (2 * r)) * denoised - 1 / (2 * r) * old
        x = t / s * x + (1 - t / s) * d
        old = denoised
    got = drive(dpmpp.dpmpp_2m(start * sigmas[0], sigmas), wavy)
    assert len(got.asks) == n
    assert [ask.sigma for ask in got.asks] == sigmas[:-1]
    assert [ask.step for ask in got.asks] == list(range(n))
    assert torch.allclose(got.x, x, rtol=1e-9, atol=1e-9)


def no_motion(sigma: float, sigma_next: float, /) -> Tensor:
    return torch.zeros(())


@pytest.mark.parametrize(
    "sampler",
    [
        dpmpp.dpmpp_2m,
        lambda x, s: dpmpp_sde.dpmpp_2m_sde(x, s, no_motion, eta=1.0, s_noise=1.0, heun=True),
        lambda x, s: dpmpp_sde.dpmpp_3m_sde(x, s, no_motion, eta=1.0, s_noise=1.0),
    ],
    ids=["2m", "2m sde", "3m sde"],
)
def test_a_level_that_repeats_does_no_harm(
    sampler: Callable[..., Any], drive: Any, wavy: Model, start: Tensor
) -> None:
    got = drive(sampler(start, [4.0, 4.0, 2.0, 2.0, 1.0, 0.5, 0.0]), wavy)
    assert got.x.isfinite().all()
    assert got.x.abs().max() < 2
