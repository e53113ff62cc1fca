"""Progress, interrupt and skip: the original's global view, as a thin adapter over jobs."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING

from sdapi_compat.engine.job import State
from sdapi_compat.metadata import images
from sdapi_compat.routes.reply import json_reply
from sdapi_compat.routes.state import services
from sdapi_compat.schema.coerce import decode, query_bool
from sdapi_compat.schema.progress import (
    InternalProgressRequest,
    InternalProgressResponse,
    PendingTasksResponse,
    ProgressResponse,
    ProgressState,
)

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from sdapi_compat.engine.job import Job
    from sdapi_compat.engine.progress import Preview

# The original adds this so that a job that has just begun is told from an idle server.
STARTED = 0.01
PREVIEW_FORMATS = ("png", "jpeg", "webp")


async def progress(request: Request) -> Response:
    """GET /sdapi/v1/progress: the running job, or the named one with `id_task`."""
    skip_image = query_bool("skip_current_image", request.query_params.get("skip_current_image"))
    queue = services(request).engine.queue
    task_id = request.query_params.get("id_task")
    job = queue.find(task_id) if task_id else queue.latest()
    # Asked once: the job may end while its preview is being drawn.
    running = job is not None and job.state is State.RUNNING
    state = _state(job, running=running)
    if job is None or not running:
        return json_reply(ProgressResponse(0.0, 0.0, state, None, None))
    share = STARTED + job.progress.fraction()
    eta = job.progress.elapsed() / share - job.progress.elapsed()
    image = None
    if not skip_image:
        job.progress.watch()
    if not skip_image and job.progress.preview is not None:
        image = await picture(job.progress.preview, "png")
    reply = ProgressResponse(min(share, 1.0), eta, state, image, job.progress.textinfo, job.id)
    return json_reply(reply)


def _state(job: Job | None, *, running: bool) -> ProgressState:
    if job is None:
        return ProgressState()
    told = job.progress
    return ProgressState(
        skipped=job.control.skipped,
        interrupted=job.control.interrupted,
        stopping_generation=False,
        job=told.job if running else "",
        job_count=told.job_count if running else 0,
        job_timestamp=told.timestamp,
        job_no=told.job_no,
        sampling_step=told.sampling_step,
        sampling_steps=told.sampling_steps,
    )


async def picture(preview: Preview, form: str) -> str:
    """The preview as base64, made off the event loop."""

    def make() -> str:
        return base64.b64encode(
            images.encode(preview.draw(), images.ImageSpec(format=form), None, {})
        ).decode()

    return await asyncio.to_thread(make)


async def interrupt(request: Request) -> Response:
    """POST /sdapi/v1/interrupt: stop the running job, or the one named by `id_task`."""
    for job in _addressed(request):
        job.control.interrupted = True
    return json_reply({})


async def skip(request: Request) -> Response:
    """POST /sdapi/v1/skip: end the batch that is running and go on with the next."""
    for job in _addressed(request):
        job.control.skipped = True
    return json_reply(None)


def _addressed(request: Request) -> list[Job]:
    queue = services(request).engine.queue
    task_id = request.query_params.get("id_task")
    if task_id is None:
        return queue.running()[:1]
    job = queue.find(task_id)
    return [] if job is None else [job]


async def internal_progress(request: Request) -> Response:
    """POST /internal/progress: one task by its id, with the newest preview the caller has not seen."""
    asked = decode(InternalProgressRequest, await request.body(), request.headers.get("content-type")).value
    queue = services(request).engine.queue
    standing = queue.standing(asked.id_task or "")
    job = queue.find(asked.id_task or "") if standing.active else None
    if job is not None:
        form = services(request).options.snapshot().text("live_previews_image_format")
        return json_reply(await _active(job, asked, form if form in PREVIEW_FORMATS else "png"))
    text = f"In queue: {standing.position}/{standing.waiting}" if standing.queued else "Waiting..."
    reply = InternalProgressResponse(
        False, standing.queued, standing.completed, id_live_preview=-1, textinfo=text
    )
    return json_reply(reply)


async def _active(job: Job, asked: InternalProgressRequest, form: str) -> InternalProgressResponse:
    share, preview = job.progress.fraction(), job.progress.preview
    if asked.live_preview:
        job.progress.watch()
    shown = None
    if asked.live_preview and preview is not None and preview.number != asked.id_live_preview:
        shown = f"data:image/{form};base64," + await picture(preview, form)
    return InternalProgressResponse(
        active=True,
        queued=False,
        completed=False,
        progress=share,
        eta=job.progress.elapsed() / share - job.progress.elapsed() if share > 0 else None,
        live_preview=shown,
        id_live_preview=preview.number if preview else -1,
        textinfo=job.progress.textinfo,
    )


async def pending_tasks(request: Request) -> Response:
    """GET /internal/pending-tasks: ids of the tasks that wait, next first."""
    waiting = [job.id for job in services(request).engine.queue.waiting()]
    return json_reply(PendingTasksResponse(len(waiting), waiting))
