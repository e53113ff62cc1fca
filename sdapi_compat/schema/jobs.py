"""Jobs: where each stands and what came of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

State = Literal["queued", "running", "finished", "failed", "cancelled"]

Moment = Annotated[str | None, Meta(description="UTC, ISO 8601; null if that has not happened.")]


class JobStatus(Struct, frozen=True, kw_only=True):
    """Where a job stands."""

    id: Annotated[str, Meta(description="Name of the job: force_task_id, or one made up.")]
    kind: Annotated[str, Meta(description="txt2img or img2img.")]
    state: Annotated[
        State,
        Meta(description="The last three are final. A cancelled job has a result if it was interrupted."),
    ]
    position: Annotated[int | None, Meta(description="Place among the jobs that wait, from 1.")] = None
    created_at: Moment = None
    started_at: Moment = None
    finished_at: Moment = None
    progress: Annotated[float, Meta(description="Share of the job that is done, 0.0 to 1.0.")] = 0.0
    eta_relative: Annotated[
        float | None, Meta(description="Estimated seconds to the end; null unless it is running.")
    ] = None
    sampling_step: Annotated[int, Meta(description="Sampling steps done in the current pass.")] = 0
    sampling_steps: Annotated[int, Meta(description="Sampling steps of the current pass.")] = 0
    textinfo: Annotated[str | None, Meta(description="A remark about what is going on.")] = None
    images: Annotated[
        list[str],
        Meta(description="Where the pictures are, in the order of the reply; empty before the end."),
    ] = []
    status: Annotated[int | None, Meta(description="HTTP status of the reply; null before the end.")] = None
    error: Annotated[
        dict[str, Any] | None, Meta(description="Body of the error reply, if the job has no result.")
    ] = None


class Job(JobStatus, frozen=True, kw_only=True):
    """Reply of GET /sdapi/v1/jobs/{id}."""

    result: Annotated[
        dict[str, Any] | None,
        Meta(description="The reply of txt2img or img2img, once it is there: images, parameters and info."),
    ] = None


class JobList(Struct, frozen=True):
    """Reply of GET /sdapi/v1/jobs."""

    jobs: Annotated[list[JobStatus], Meta(description="Newest first.")]
    next: Annotated[
        int | None, Meta(description="To be sent as `before` for the jobs that follow; null at the end.")
    ] = None


class Accepted(Struct, frozen=True):
    """Reply of txt2img and img2img with status 202."""

    id: Annotated[str, Meta(description="Name of the job.")]
    state: Annotated[State, Meta(description="Where it stands.")]
    location: Annotated[str, Meta(description="Path of the job, as in the header Location.")]
