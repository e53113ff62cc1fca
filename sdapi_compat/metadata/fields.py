"""Infotext parameters as fields of a txt2img or img2img request."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal

from sdapi_compat.errors import Fault
from sdapi_compat.metadata.parameters import SAME_SAMPLER, SAME_SCHEDULER

Kind = Literal["txt2img", "img2img"]
SamplerResolver = Callable[[str | None, str | None], tuple[str, str]]
"""(sampler text, scheduler text) -> (sampler name, scheduler label, "Automatic" for the sampler's own)."""

_LONGEST_MESSAGE = 200

_Cast = type[str] | type[int] | type[float]

_PROMPT_FIELDS: tuple[tuple[str, str, _Cast], ...] = (
    ("prompt", "Prompt", str),
    ("negative_prompt", "Negative prompt", str),
    ("cfg_scale", "CFG scale", float),
    ("width", "Size-1", int),
    ("height", "Size-2", int),
    ("batch_size", "Batch size", int),
    ("denoising_strength", "Denoising strength", float),
)
_HIRES_FIELDS: tuple[tuple[str, str, _Cast], ...] = (
    ("hr_scale", "Hires upscale", float),
    ("hr_upscaler", "Hires upscaler", str),
    ("hr_second_pass_steps", "Hires steps", int),
    ("hr_resize_x", "Hires resize-1", int),
    ("hr_resize_y", "Hires resize-2", int),
    ("hr_checkpoint_name", "Hires checkpoint", str),
    ("hr_prompt", "Hires prompt", str),
    ("hr_negative_prompt", "Hires negative prompt", str),
)
# Width and height of the seed size are swapped, as in the original.
_SCRIPT_FIELDS: tuple[tuple[str, str, _Cast], ...] = (
    ("steps", "Steps", int),
    ("seed", "Seed", int),
    ("subseed", "Variation seed", int),
    ("subseed_strength", "Variation seed strength", float),
    ("seed_resize_from_h", "Seed resize from-1", int),
    ("seed_resize_from_w", "Seed resize from-2", int),
    ("refiner_checkpoint", "Refiner", str),
    ("refiner_switch_at", "Refiner switch at", float),
)


def request_fields(
    parameters: Mapping[str, object], kind: Kind, resolve: SamplerResolver
) -> dict[str, object]:
    """Field values to use where the client set none; `parameters` is what `metadata.parameters` gives.

    A1111 1.10.1 behaviour: img2img takes only steps, sampler, scheduler, seeds and refiner from the text.
    The values "Use same sampler", "Use same scheduler" and "Use same checkpoint" are handed on as they are.

    Raises Fault("ValueError") for a value that is no number where one is needed.
    """
    fields: dict[str, object] = {}
    if kind == "txt2img":
        fields |= _cast(parameters, _PROMPT_FIELDS)
        if isinstance(parameters.get("Styles array"), list):
            fields["styles"] = parameters["Styles array"]
        fields["enable_hr"] = _has_hires(parameters)
        fields |= _cast(parameters, _HIRES_FIELDS)
        fields["hr_sampler_name"], fields["hr_scheduler"] = _hires_sampler(parameters, resolve)
    fields["sampler_name"], fields["scheduler"] = resolve(
        _text(parameters, "Sampler"), _text(parameters, "Schedule type")
    )
    return fields | _cast(parameters, _SCRIPT_FIELDS)


def _has_hires(parameters: Mapping[str, object]) -> bool:
    # "Hires resize-1" has a default, so in effect a denoising strength alone turns the second pass on.
    signs = ("Hires upscale", "Hires upscaler", "Hires resize-1")
    return "Denoising strength" in parameters and any(sign in parameters for sign in signs)


def _hires_sampler(parameters: Mapping[str, object], resolve: SamplerResolver) -> tuple[str, str]:
    first_sampler, first_scheduler = _text(parameters, "Sampler"), _text(parameters, "Schedule type")
    sampler = _text(parameters, "Hires sampler") or SAME_SAMPLER
    scheduler = _text(parameters, "Hires schedule type") or SAME_SCHEDULER
    sampler, scheduler = resolve(
        first_sampler if sampler == SAME_SAMPLER else sampler,
        first_scheduler if scheduler == SAME_SCHEDULER else scheduler,
    )
    return (
        SAME_SAMPLER if sampler == first_sampler else sampler,
        SAME_SCHEDULER if scheduler == first_scheduler else scheduler,
    )


def _text(parameters: Mapping[str, object], label: str) -> str | None:
    value = parameters.get(label)
    return None if value is None else str(value)


def _cast(parameters: Mapping[str, object], table: tuple[tuple[str, str, _Cast], ...]) -> dict[str, object]:
    return {
        name: _number_or_text(parameters[label], cast)
        for name, label, cast in table
        if parameters.get(label) is not None
    }


def _number_or_text(value: object, cast: _Cast) -> object:
    if cast is str:
        return str(value)
    try:
        number = cast(str(value))
    except ValueError as error:
        raise Fault("ValueError", str(error)[:_LONGEST_MESSAGE]) from error
    if isinstance(number, float) and not math.isfinite(number):
        raise Fault("ValueError", "Out of range float values are not JSON compliant")
    return number
