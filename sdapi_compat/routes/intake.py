"""From a generation request's body to an admitted job: the steps between decoding and waiting."""

from __future__ import annotations

import random
import string
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

import msgspec

from sdapi_compat.engine.job import Job
from sdapi_compat.engine.work import PlanWork, ScriptWork
from sdapi_compat.metadata.fields import request_fields
from sdapi_compat.metadata.images import ImageSpec
from sdapi_compat.options.infotext import infotext_overrides
from sdapi_compat.plan.build import build
from sdapi_compat.plan.draft import from_img2img, from_txt2img
from sdapi_compat.sampling.table import normalise
from sdapi_compat.schema.img2img import StableDiffusionProcessingImg2Img
from sdapi_compat.schema.txt2img import StableDiffusionProcessingTxt2Img

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from sdapi_compat.options.snapshot import Snapshot
    from sdapi_compat.plan.draft import Draft
    from sdapi_compat.plan.plan import Plan
    from sdapi_compat.scripting.index import Chosen
    from sdapi_compat.services import Services

GenerationRequest = StableDiffusionProcessingTxt2Img | StableDiffusionProcessingImg2Img
R = TypeVar("R", bound=StableDiffusionProcessingTxt2Img | StableDiffusionProcessingImg2Img)
Kind = Literal["txt2img", "img2img"]
ID_LETTERS = string.ascii_uppercase + string.digits


class Admitted(NamedTuple):
    """A job, the request as it is echoed, and how its pictures are to be encoded."""

    job: Job
    request: GenerationRequest
    spec: ImageSpec


def admit(held: Services, request: GenerationRequest, given: frozenset[str]) -> Admitted:
    """Everything up to and including the queue. CPU work; call it off the event loop.

    `given`: names of the fields the client set. Raises what the reply should say.
    """
    kind = _kind(request)
    request = with_infotext(held, request, given)
    script = held.scripts.select(request.script_name, request.script_args, kind)
    always_on = held.scripts.always_on(request.alwayson_scripts, kind)
    request = without_unknown_checkpoint(held, request)
    snapshot = held.options.snapshot().overlay(request.override_settings or {})
    spec = ImageSpec(format=snapshot.text("samples_format"), quality=snapshot.integer("jpeg_quality"))
    draft = _draft(held, request, snapshot)
    for chosen in always_on:
        draft = chosen.plugin.on_draft(draft, chosen.arguments)
    planner = partial(_plan, held, snapshot, always_on)
    hooks = partial(_hooks, always_on)
    task_id = request.force_task_id or f"task({kind}-{''.join(random.choices(ID_LETTERS, k=7))})"
    work: PlanWork | ScriptWork
    if script is None:
        work = PlanWork(planner(draft), hooks)
    else:
        work = ScriptWork(script.plugin, script.arguments, draft, planner, hooks)
    job = Job(task_id, kind, work)
    held.engine.submit(job)
    return Admitted(job, request, spec)


def _kind(request: GenerationRequest) -> Kind:
    return "img2img" if isinstance(request, StableDiffusionProcessingImg2Img) else "txt2img"


def with_infotext(held: Services, request: R, given: frozenset[str]) -> R:
    """A1111 1.10.1 behaviour of the `infotext` field: fields the client did not set come from it."""
    if not request.infotext:
        return request
    snapshot = held.options.snapshot()
    parameters = held.read_infotext(request.infotext, snapshot)
    kind = _kind(request)
    fields: dict[str, Any] = {
        name: value
        for name, value in request_fields(parameters, kind, partial(normalise, fold_default=True)).items()
        if name not in given and name in request.__struct_fields__
    }
    overrides = infotext_overrides(parameters, snapshot) | dict(request.override_settings or {})
    return msgspec.structs.replace(request, **fields, override_settings=overrides)


def without_unknown_checkpoint(held: Services, request: R) -> R:
    """A1111 1.10.1 behaviour: an sd_model_checkpoint override that is no exact alias is dropped."""
    overrides = request.override_settings or {}
    wanted = overrides.get("sd_model_checkpoint")
    if wanted is None or held.catalog.checkpoints.find(str(wanted)) is not None:
        return request
    kept = {key: value for key, value in overrides.items() if key != "sd_model_checkpoint"}
    return msgspec.structs.replace(request, override_settings=kept)


def _draft(held: Services, request: GenerationRequest, snapshot: Snapshot) -> Draft:
    if isinstance(request, StableDiffusionProcessingImg2Img):
        return from_img2img(request, snapshot, held.limits)
    return from_txt2img(request, snapshot, held.limits)


def _plan(held: Services, snapshot: Snapshot, always_on: Sequence[Chosen], draft: Draft) -> Plan:
    plan = build(draft, snapshot, held.world())
    for chosen in always_on:
        plan = chosen.plugin.on_plan(plan, chosen.arguments)
    return plan


def _hooks(always_on: Sequence[Chosen], plan: Plan) -> list[Callable[[Tensor, float], Tensor]]:
    found = [chosen.plugin.on_denoised(plan, chosen.arguments) for chosen in always_on]
    return [hook for hook in found if hook is not None]
