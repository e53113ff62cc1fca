"""The routes that tell of jobs and end them."""

from __future__ import annotations

from sdapi_compat.schema import jobs
from sdapi_compat.schema.route_docs import QueryParameter, RouteDoc, Schema, Tag

PATH = "/sdapi/v1/jobs/{id}"
TEXT: Schema = {"type": "string"}
FILE: Schema = {"type": "string", "contentMediaType": "image/png"}
ID = QueryParameter("id", TEXT, "Name of the job; of several the newest.", required=True, place="path")
UNKNOWN = {404: "There is no such job, or it belongs to somebody else."}
GONE = {**UNKNOWN, 410: "The result was removed from the disk."}
STATES = ["queued", "running", "finished", "failed", "cancelled"]

JOBS = (
    RouteDoc(
        method="GET",
        path="/sdapi/v1/jobs",
        operation_id="get_jobs_sdapi_v1_jobs_get",
        tag=Tag.JOBS,
        summary="Jobs, newest first",
        response=jobs.JobList,
        query=(
            QueryParameter("state", {"type": "string", "enum": STATES}, "Only those in this state."),
            QueryParameter(
                "limit",
                {"type": "integer", "default": 50, "minimum": 1, "maximum": 500},
                "How many at a time.",
            ),
            QueryParameter(
                "before", {"type": "integer", "minimum": 1}, "The `next` of the reply before this one."
            ),
        ),
    ),
    RouteDoc(
        method="GET",
        path=PATH,
        operation_id="get_job_sdapi_v1_jobs__id__get",
        tag=Tag.JOBS,
        summary="Where a job stands, and its reply when it has one",
        response=jobs.Job,
        query=(
            ID,
            QueryParameter("result", {"type": "boolean", "default": True}, "False leaves out the reply."),
        ),
        errors=GONE,
    ),
    RouteDoc(
        method="GET",
        path=f"{PATH}/images/{{n}}",
        operation_id="get_job_image_sdapi_v1_jobs__id__images__n__get",
        tag=Tag.JOBS,
        summary="A picture of a finished job as a file",
        description="As it was made, or as PNG, JPEG, WebP or AVIF, whichever `Accept` prefers.",
        response=FILE,
        media_type="image/*",
        query=(
            ID,
            QueryParameter(
                "n", {"type": "integer", "minimum": 0}, "Number, from 0.", required=True, place="path"
            ),
        ),
        errors={**GONE, 406: "The client accepts none of the formats."},
    ),
    RouteDoc(
        method="GET",
        path=f"{PATH}/events",
        operation_id="get_job_events_sdapi_v1_jobs__id__events_get",
        tag=Tag.JOBS,
        summary="What happens to a job, as it happens",
        description="Server-sent events named state, progress and preview; the last one has the id `end`.",
        response=TEXT,
        media_type="text/event-stream",
        query=(
            ID,
            QueryParameter("previews", {"type": "boolean", "default": True}, "False leaves out previews."),
        ),
        errors=UNKNOWN,
    ),
    RouteDoc(
        method="DELETE",
        path=PATH,
        operation_id="delete_job_sdapi_v1_jobs__id__delete",
        tag=Tag.JOBS,
        summary="Cancel a job, or forget one that has ended",
        description="Answers with the state in which the job is or was.",
        response=jobs.JobStatus,
        query=(ID,),
        errors=UNKNOWN,
    ),
)
