from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from sdapi_compat.sampling.noise_schedule import LCMSchedule, NoiseSchedule
from sdapi_compat.sampling.samplers import lcm

Model = Callable[[Tensor, float], Tensor]
Tape = Callable[[], Callable[[], Tensor]]


@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_lcm(n: int, drive: Any, wavy: Model, start: Tensor, tape: Tape, schedule: NoiseSchedule) -> None:
    table = LCMSchedule(schedule.alphas_cumprod)
    sigmas = table.uniform_sigmas(n).tolist()
    x, noise = start * sigmas[0], tape()
    for s, t in pairwise(sigmas):
        time = table.sigma_to_t(s)
        c = 10 * time
        x = c / (c**2 + 0.25) ** 0.5 * wavy(x, s) + 0.25 / (c**2 + 0.25) * x
        if t > 0:
            x = x + t * noise()
    got = drive(lcm.lcm(start * sigmas[0], sigmas, tape(), table), wavy)
    assert torch.allclose(got.x, x, rtol=1e-9, atol=1e-9)
    assert [ask.timestep for ask in got.asks] == [table.sigma_to_t(sigma) for sigma in sigmas[:-1]]
    assert got.asks[0].timestep == 999
