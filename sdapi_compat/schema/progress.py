"""How far the running job is, in both shapes: /sdapi/v1/progress and /internal/progress."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType


class ProgressState(Struct, frozen=True):
    """The running job; all zero and empty when idle."""

    skipped: Annotated[bool, Meta(description="The current batch was asked to stop.")] = False
    interrupted: Annotated[bool, Meta(description="The whole job was asked to stop.")] = False
    stopping_generation: Annotated[
        bool, Meta(description="The job was asked to end after the current picture; not settable here.")
    ] = False
    job: Annotated[
        str, Meta(description="What is being done, for example scripts_txt2img; empty when idle.")
    ] = ""
    job_count: Annotated[int, Meta(description="Parts the job has, -1 while not yet known, 0 when idle.")] = 0
    job_timestamp: Annotated[
        str,
        Meta(description="When the job began, local time as YYYYMMDDHHMMSS; 0 before the first one."),
    ] = "0"
    job_no: Annotated[int, Meta(description="Parts already finished.")] = 0
    sampling_step: Annotated[int, Meta(description="Sampling steps done in the current pass.")] = 0
    sampling_steps: Annotated[int, Meta(description="Sampling steps of the current pass.")] = 0


class ProgressResponse(Struct, frozen=True):
    """Reply of GET /sdapi/v1/progress."""

    progress: Annotated[float, Meta(description="Share of the job that is done, 0.0 (or idle) to 1.0.")]
    eta_relative: Annotated[float, Meta(description="Estimated seconds to the end of the job.")]
    state: Annotated[ProgressState, Meta(description="The running job in numbers.")]
    current_image: Annotated[
        str | None,
        Meta(
            description=(
                "A preview, base64 text without a data: prefix; made every show_progress_every_n_steps steps."
            ),
        ),
    ] = None
    textinfo: Annotated[str | None, Meta(description="A remark about what is going on, if there is one.")] = (
        None
    )
    current_task: Annotated[
        str | UnsetType, Meta(description="Name of the running job; absent when idle.")
    ] = UNSET


class InternalProgressRequest(Struct, frozen=True):
    """Which job POST /internal/progress is asked about."""

    id_task: Annotated[
        str | None,
        Meta(description="Name of the job, as given by force_task_id.", examples=["task(my-job-1)"]),
    ] = None
    id_live_preview: Annotated[
        int, Meta(description="Number of the preview the caller already has; -1 has none.")
    ] = -1
    live_preview: Annotated[bool, Meta(description="Send a preview if there is a newer one.")] = True


class InternalProgressResponse(Struct, frozen=True):
    """Reply of POST /internal/progress: one job, not whichever is running."""

    active: Annotated[bool, Meta(description="The job is running.")]
    queued: Annotated[bool, Meta(description="The job waits for its turn.")]
    completed: Annotated[bool, Meta(description="The job has ended.")]
    progress: Annotated[
        float | None, Meta(description="Share of the job that is done, 0.0 to 1.0; null unless running.")
    ] = None
    eta: Annotated[float | None, Meta(description="Estimated seconds to the end of the job.")] = None
    live_preview: Annotated[
        str | None, Meta(description="A preview as a data: URI; null if there is no newer one.")
    ] = None
    id_live_preview: Annotated[
        int | None, Meta(description="Number of the latest preview, to be sent with the next question.")
    ] = None
    textinfo: Annotated[str | None, Meta(description="A remark, for example the place in the queue.")] = None


class PendingTasksResponse(Struct, frozen=True):
    """Reply of GET /internal/pending-tasks."""

    size: Annotated[int, Meta(description="Number of jobs that wait.")]
    tasks: Annotated[list[str], Meta(description="Names of the jobs that wait, in their order.")]
