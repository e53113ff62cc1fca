"""Values nothing can be made of, found before any work: each is refused with the name of its field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sdapi_compat.errors import InvalidRequest, Problem
from sdapi_compat.sampling.table import SAMPLER_BY_NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    import msgspec

    from sdapi_compat.imaging.hires import HiresTarget
    from sdapi_compat.sampling.recipe import SigmaRecipe

LARGEST_FLOAT = 3.4028234663852886e38
"""Of float32, in which latents are computed."""
SMALLEST_SEED, LARGEST_SEED = -(2**63), 2**64 - 1
"""What torch's generators take; they count negative seeds from 2^64 down."""
TIMESTEPS = 1000
SMALLEST_SIDE = 8
# More than anybody asks for on purpose, and little enough that planning stays quick.
MOST = {"batch_size": 1_000, "n_iter": 10_000, "steps": 10_000}
# An infinite s_tmax says that there is no upper end.
MAY_BE_INFINITE = frozenset({"s_tmax"})


def check_finite(request: msgspec.Struct) -> None:
    """InvalidRequest for every NaN, infinity, or number beyond float32 among the fields."""
    problems = [
        Problem(
            ("body", name), "ensure this value is a finite number", "value_error.number.not_finite_number"
        )
        for name in request.__struct_fields__
        if not _is_usable(name, getattr(request, name))
    ]
    if problems:
        raise InvalidRequest(problems)


def _is_usable(name: str, value: Any) -> bool:
    if not isinstance(value, float) or abs(value) <= LARGEST_FLOAT:
        return True
    return name in MAY_BE_INFINITE and value > 0


def check_init_images(pictures: Sequence[Any]) -> None:
    """InvalidRequest for every entry that is no text."""
    problems = [
        Problem(("body", "init_images", index), "none is not an allowed value", "type_error.none.not_allowed")
        if picture is None
        else Problem(("body", "init_images", index), "str type expected", "type_error.str")
        for index, picture in enumerate(pictures)
        if not isinstance(picture, str)
    ]
    if problems:
        raise InvalidRequest(problems)


def check_seeds(field: str, seeds: Sequence[int], ensd: int) -> None:
    """InvalidRequest if a seed, with or without the option eta_noise_seed_delta, suits no generator.

    `seeds`: one per image. Those of a batch are counted up, so its first may fit and its last may not.
    """
    lowest, highest = min(seeds) + min(ensd, 0), max(seeds) + max(ensd, 0)
    if lowest >= SMALLEST_SEED and highest <= LARGEST_SEED:
        return
    message = f"ensure this value is between {SMALLEST_SEED} and {LARGEST_SEED}"
    raise InvalidRequest([Problem(("body", field), message, "value_error")])


def check_steps(field: str, recipe: SigmaRecipe) -> None:
    """InvalidRequest for more steps than the model was trained with, where a sampler visits whole ones.

    `recipe.steps` may be more than was asked for: img2img_fix_steps and the hires pass count out from the
    strength how many steps make a schedule.
    """
    if SAMPLER_BY_NAME[recipe.sampler].family != "timestep":
        return
    most = TIMESTEPS - 1 if recipe.always_discard_next_to_last_sigma else TIMESTEPS
    if recipe.steps <= most:
        return
    message = f"{recipe.sampler} runs at most {most} steps, and this asks for {recipe.steps}"
    raise InvalidRequest([Problem(("body", field), message, "value_error.number.not_le")])


def check_counts(fields: dict[str, Any], longest_side: int) -> None:
    """Refuse sizes and counts the original crashes on or runs out of memory with."""
    lowest = {"width": SMALLEST_SIDE, "height": SMALLEST_SIDE, "batch_size": 1, "n_iter": 1, "steps": 1}
    highest = MOST | {"width": longest_side, "height": longest_side}
    problems = [
        Problem(
            ("body", name),
            f"ensure this value is greater than or equal to {least}",
            "value_error.number.not_ge",
        )
        for name, least in lowest.items()
        if fields[name] < least
    ] + [
        Problem(
            ("body", name), f"ensure this value is less than or equal to {most}", "value_error.number.not_le"
        )
        for name, most in highest.items()
        if fields[name] > most
    ]
    if problems:
        raise InvalidRequest(problems)


def check_prompts(prompts: Sequence[str], n_iter: int, script: str | None) -> None:
    """InvalidRequest for a list of prompts that is empty, too long, or joined with what needs one prompt."""
    problems = []
    if not prompts:
        problems.append(Problem(("body", "prompt"), "ensure this value has at least 1 items", "value_error"))
    if len(prompts) > MOST["batch_size"]:
        message = f"ensure this value has at most {MOST['batch_size']} items"
        problems.append(Problem(("body", "prompt"), message, "value_error"))
    if n_iter != 1:
        message = "a list of prompts gives one picture each: n_iter must be 1"
        problems.append(Problem(("body", "n_iter"), message, "value_error"))
    if script:
        message = "scripts take one prompt, not a list"
        problems.append(Problem(("body", "script_name"), message, "value_error"))
    if problems:
        raise InvalidRequest(problems)


def check_second_pass(steps: int, target: HiresTarget, field: str, longest_side: int) -> None:
    """Refuse steps and sizes of the hires pass nothing can be sampled with; `field` sets its size."""
    if not 0 <= steps <= MOST["steps"]:
        message = f"ensure this value is between 0 and {MOST['steps']}"
        raise InvalidRequest([Problem(("body", "hr_second_pass_steps"), message, "value_error")])
    if not all(SMALLEST_SIDE <= side <= longest_side for side in (target.width, target.height)):
        message = f"ensure the second pass has {SMALLEST_SIDE} to {longest_side} pixels a side"
        raise InvalidRequest([Problem(("body", field), message, "value_error")])
