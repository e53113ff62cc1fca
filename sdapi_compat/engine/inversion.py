"""Noise recovered from the picture that a pass starts from, so that the pass can draw it anew."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from sdapi_compat.plan.plan import Prompts
from sdapi_compat.prompt.schedules import ScheduleSteps
from sdapi_compat.sampling.inversion import euler_inversion, mixed, over

if TYPE_CHECKING:
    from collections.abc import Generator

    from torch import Tensor

    from sdapi_compat.engine.asks import Ask
    from sdapi_compat.engine.batch import Pass
    from sdapi_compat.engine.guided import Guide
    from sdapi_compat.engine.outputs import Caller
    from sdapi_compat.plan.plan import Inversion
    from sdapi_compat.sampling.start import SamplerRun


def backwards(inversion: Inversion, one: Pass) -> Pass:
    """The pass with the prompts and steps of the way back."""
    count = len(one.prompts.positive)
    prompts = Prompts((inversion.prompt,) * count, (inversion.negative_prompt,) * count)
    return one._replace(prompts=prompts, steps=ScheduleSteps(inversion.steps, old=one.steps.old))


def recovered(
    inversion: Inversion, guide: Guide, caller: Caller, run: SamplerRun
) -> Generator[Ask, Tensor, SamplerRun]:
    """`run` with the noise to start from. `guide` is that of the run, `caller` knows the prompts of the way.

    The way sees no mask, no refiner and no hooks, at every step both sides of the guidance, and adds nothing
    to the infotext. What a job that was stopped on it comes back with is of no use.
    A1111 1.10.1 behaviour ("img2img alternative test"): the random noise to mix in is that of the seed, the
    picture is taken out of the start as if the run began at the model's highest noise level, and the noise
    multiplier is not applied.
    """
    assert run.clean is not None
    rules = msgspec.structs.replace(
        guide.rules, cfg_scale=inversion.cfg_scale, image_cfg_scale=None, skip_early=0.0, s_min_uncond=0.0
    )
    upwards = replace(
        guide,
        caller=caller,
        rules=rules,
        cfg_multiplier=1.0,
        notes={},
        blend=None,
        refinement=None,
        hooks=(),
    )
    sigmas = run.schedule.uniform_sigmas(inversion.steps).flip(0).tolist()
    noise = yield from upwards.run(euler_inversion(run.clean, sigmas, from_below=inversion.sigma_adjustment))
    noise = mixed(noise, run.noise.first(), inversion.randomness)
    return replace(run, initial=over(run.clean, noise, sigmas[-1]), noise_multiplier=1.0)
