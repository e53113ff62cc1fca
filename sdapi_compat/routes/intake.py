"""From a generation request's body to an admitted job: the steps between decoding and waiting."""

from __future__ import annotations

import random
import string
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

import msgspec

from sdapi_compat.engine.hooks import Hooks
from sdapi_compat.engine.job import Job
from sdapi_compat.engine.work import PlanWork, ScriptWork
from sdapi_compat.imaging.wire import NOTHING_FETCHED
from sdapi_compat.metadata.fields import request_fields
from sdapi_compat.metadata.images import ImageSpec
from sdapi_compat.options.infotext import infotext_overrides
from sdapi_compat.options.table import BY_KEY
from sdapi_compat.plan.build import build
from sdapi_compat.plan.draft import check, from_img2img, from_txt2img
from sdapi_compat.plan.seeds import resolved
from sdapi_compat.sampling.table import normalise
from sdapi_compat.schema.img2img import StableDiffusionProcessingImg2Img
from sdapi_compat.schema.txt2img import StableDiffusionProcessingTxt2Img
from sdapi_compat.scripting.index import extra_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdapi_compat.imaging.wire import Fetched
    from sdapi_compat.options.snapshot import Snapshot
    from sdapi_compat.plan.draft import Draft
    from sdapi_compat.plan.plan import Plan
    from sdapi_compat.routes.notices import Notices
    from sdapi_compat.scripting.index import Chosen
    from sdapi_compat.services import Services

GenerationRequest = StableDiffusionProcessingTxt2Img | StableDiffusionProcessingImg2Img
R = TypeVar("R", bound=StableDiffusionProcessingTxt2Img | StableDiffusionProcessingImg2Img)
Kind = Literal["txt2img", "img2img"]
ID_LETTERS = string.ascii_uppercase + string.digits


class Admitted(NamedTuple):
    """A job, the request as it is echoed, how its pictures are to be encoded, and what was ignored."""

    job: Job
    request: GenerationRequest
    spec: ImageSpec
    ignored: tuple[str, ...]


class Aside(NamedTuple):
    """What belongs to a job besides its request: the same again, where a job is done again.

    `options`: those of the server at the time. `luck`: what random numbers are drawn from. `fetched`: what
    stands behind the URLs in the request. `told`: who is to be told of the job.
    """

    task_id: str
    options: Snapshot
    luck: int
    fetched: Fetched = NOTHING_FETCHED
    told: Notices | None = None


def new_task_id(request: GenerationRequest) -> str:
    """The client's name for the job, else one like the original's."""
    return request.force_task_id or f"task({kind_of(request)}-{''.join(random.choices(ID_LETTERS, k=7))})"


def prepare(held: Services, request: GenerationRequest, given: frozenset[str], aside: Aside) -> Admitted:
    """Everything up to the queue. CPU work; call it off the event loop.

    `given`: names of the fields the client set. Raises what the reply should say.
    """
    kind = kind_of(request)
    request = with_infotext(held, request, given, aside.options)
    script = held.scripts.select(request.script_name, request.script_args, kind)
    always_on = held.scripts.always_on(request.alwayson_scripts, kind)
    request = without_unknown_checkpoint(held, with_extra_options(request, aside.options))
    snapshot = aside.options.overlay(request.override_settings or {})
    spec = ImageSpec(format=snapshot.text("samples_format"), quality=snapshot.integer("jpeg_quality"))
    draft = _draft(held, request, snapshot, aside.fetched).change(luck=aside.luck)
    for chosen in always_on:
        draft = chosen.plugin.on_draft(draft, chosen.arguments)
    planner = partial(_plan, held, always_on, random.Random(aside.luck))
    hooks = partial(_hooks, always_on)
    work: PlanWork | ScriptWork
    if script is None:
        work = PlanWork(planner(draft), hooks)
    else:
        arguments = script.plugin.prepare(draft, script.arguments, held.world())
        work = ScriptWork(held.catalog.configured(snapshot), script.plugin, arguments, draft, planner, hooks)
    job = Job(aside.task_id, kind, work, work.model, draft.batch_size, request.priority or 0)
    if aside.told is not None:
        aside.told.follow(job)
    return Admitted(job, request, spec, tuple(held.scripts.ignored(request.alwayson_scripts)))


def kind_of(request: GenerationRequest) -> Kind:
    """The name of the route."""
    return "img2img" if isinstance(request, StableDiffusionProcessingImg2Img) else "txt2img"


def with_infotext(held: Services, request: R, given: frozenset[str], snapshot: Snapshot) -> R:
    """A1111 1.10.1 behaviour of the `infotext` field: fields the client did not set come from it."""
    if not request.infotext:
        return request
    parameters = held.read_infotext(request.infotext, snapshot)
    kind = kind_of(request)
    fields: dict[str, Any] = {
        name: value
        for name, value in request_fields(parameters, kind, partial(normalise, fold_default=True)).items()
        if name not in given and name in request.__struct_fields__
    }
    overrides = infotext_overrides(parameters, snapshot) | dict(request.override_settings or {})
    return msgspec.structs.replace(request, **fields, override_settings=overrides)


def with_extra_options(request: R, snapshot: Snapshot) -> R:
    """A1111 1.10.1 behaviour: arguments of "Extra options" are options; `override_settings` win over them."""
    keys = snapshot.names(f"extra_options_{kind_of(request)}")
    extra = extra_options(request.alwayson_scripts, [key for key in keys if key in BY_KEY])
    if not extra:
        return request
    return msgspec.structs.replace(request, override_settings=extra | dict(request.override_settings or {}))


def without_unknown_checkpoint(held: Services, request: R) -> R:
    """A1111 1.10.1 behaviour: an sd_model_checkpoint override that is no exact alias is dropped."""
    overrides = request.override_settings or {}
    wanted = overrides.get("sd_model_checkpoint")
    if wanted is None or held.catalog.checkpoints.find(str(wanted)) is not None:
        return request
    kept = {key: value for key, value in overrides.items() if key != "sd_model_checkpoint"}
    return msgspec.structs.replace(request, override_settings=kept)


def _draft(held: Services, request: GenerationRequest, snapshot: Snapshot, fetched: Fetched) -> Draft:
    if isinstance(request, StableDiffusionProcessingImg2Img):
        return from_img2img(request, snapshot, held.limits, fetched)
    return from_txt2img(request, snapshot, held.limits)


def _plan(held: Services, always_on: Sequence[Chosen], chance: random.Random, draft: Draft) -> Plan:
    check(draft, held.limits)
    draft = draft.change(seed=resolved(draft.seed, chance), subseed=resolved(draft.subseed, chance))
    plan = build(draft, draft.options, held.world())
    for chosen in always_on:
        plan = chosen.plugin.on_plan(plan, chosen.arguments)
    return plan


def _hooks(always_on: Sequence[Chosen], plan: Plan) -> Hooks:
    """What the extensions put into the run; of several that would mix or cover, the first does."""
    denoised = [chosen.plugin.on_denoised(plan, chosen.arguments) for chosen in always_on]
    blends = (chosen.plugin.on_blend(plan, chosen.arguments) for chosen in always_on)
    overlays = (chosen.plugin.on_overlay(plan, chosen.arguments) for chosen in always_on)
    return Hooks(
        denoised=[hook for hook in denoised if hook is not None],
        blend=next(filter(None, blends), None),
        overlay=next(filter(None, overlays), None),
    )
