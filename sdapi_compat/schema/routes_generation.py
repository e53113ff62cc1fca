"""The routes that make pictures, work on finished ones, and tell how far a job is."""

from __future__ import annotations

from sdapi_compat.schema import examples, extras, generation, jobs, progress
from sdapi_compat.schema.img2img import StableDiffusionProcessingImg2Img
from sdapi_compat.schema.route_docs import EMPTY, NULL, QueryParameter, RouteDoc, Tag
from sdapi_compat.schema.txt2img import StableDiffusionProcessingTxt2Img

CANCELLED = "The job was cancelled."
BAD_IMAGE = "A picture cannot be read, or the work failed."
ID_TASK = QueryParameter(
    "id_task",
    {"type": "string"},
    "Name of the job meant, as given by force_task_id; absent is the running one.",
)

HEADERS = {
    "X-Sdapi-Ignored-Fields": "Fields of the request that are unknown here, separated by commas.",
    "X-Sdapi-Task-Id": "Name of the job.",
}

WISHES = (
    QueryParameter(
        "Prefer",
        {"type": "string", "examples": ["respond-async", "respond-async, wait=20"]},
        "With respond-async the answer is 202 and where the job is, after `wait` seconds unless it is done.",
        place="header",
    ),
    QueryParameter(
        "Idempotency-Key",
        {"type": "string", "maxLength": 255},
        "The same request under the same key is the same job, and has the same answer.",
        place="header",
    ),
    QueryParameter(
        "X-On-Disconnect",
        {"type": "string", "enum": ["cancel", "finish"]},
        "What becomes of the job when its client goes away; without it what --on-disconnect says.",
        place="header",
    ),
)

FILES = ("image/png", "image/jpeg", "image/webp", "image/avif")
REFUSED = {
    406: "Only a picture is accepted, and the request makes several.",
    409: CANCELLED,
    429: "The caller has too many jobs without an answer; Retry-After says when to try again.",
    503: "The queue is full, or the server is stopping; Retry-After says when to try again.",
}

GENERATION = (
    RouteDoc(
        method="POST",
        path="/sdapi/v1/txt2img",
        operation_id="text2imgapi_sdapi_v1_txt2img_post",
        tag=Tag.GENERATE,
        summary="Make pictures from a text",
        description="Answers when the pictures are done. `batch_size` x `n_iter` pictures are made.",
        request=StableDiffusionProcessingTxt2Img,
        response=generation.TextToImageResponse,
        examples=examples.TXT2IMG,
        headers=HEADERS,
        query=WISHES,
        others={202: jobs.Accepted},
        files=FILES,
        errors={**REFUSED, 500: "The work failed; the reply names the reason."},
    ),
    RouteDoc(
        method="POST",
        path="/sdapi/v1/img2img",
        operation_id="img2imgapi_sdapi_v1_img2img_post",
        tag=Tag.GENERATE,
        summary="Make pictures from a picture",
        description="With `mask`, only what it marks is repainted. Answers when the pictures are done.",
        request=StableDiffusionProcessingImg2Img,
        response=generation.ImageToImageResponse,
        examples=examples.IMG2IMG,
        headers=HEADERS,
        query=WISHES,
        others={202: jobs.Accepted},
        files=FILES,
        errors={**REFUSED, 404: "No picture was sent.", 500: BAD_IMAGE},
    ),
)

EXTRAS = (
    RouteDoc(
        method="POST",
        path="/sdapi/v1/extra-single-image",
        operation_id="extras_single_image_api_sdapi_v1_extra_single_image_post",
        tag=Tag.EXTRAS,
        summary="Enlarge or restore a picture",
        request=extras.ExtrasSingleImageRequest,
        response=extras.ExtrasSingleImageResponse,
        examples=examples.EXTRA_SINGLE_IMAGE,
        errors={500: BAD_IMAGE},
    ),
    RouteDoc(
        method="POST",
        path="/sdapi/v1/extra-batch-images",
        operation_id="extras_batch_images_api_sdapi_v1_extra_batch_images_post",
        tag=Tag.EXTRAS,
        summary="Enlarge or restore several pictures",
        request=extras.ExtrasBatchImagesRequest,
        response=extras.ExtrasBatchImagesResponse,
        examples=examples.EXTRA_BATCH_IMAGES,
        errors={500: BAD_IMAGE},
    ),
    RouteDoc(
        method="POST",
        path="/sdapi/v1/png-info",
        operation_id="pnginfoapi_sdapi_v1_png_info_post",
        tag=Tag.EXTRAS,
        summary="Read the generation parameters in a picture",
        request=extras.PNGInfoRequest,
        response=extras.PNGInfoResponse,
        examples=examples.PNG_INFO,
        errors={500: "The picture cannot be read."},
    ),
    RouteDoc(
        method="POST",
        path="/sdapi/v1/interrogate",
        operation_id="interrogateapi_sdapi_v1_interrogate_post",
        tag=Tag.EXTRAS,
        summary="Describe a picture in words",
        request=extras.InterrogateRequest,
        response=extras.InterrogateResponse,
        examples=examples.INTERROGATE,
        errors={404: "There is no such model.", 500: BAD_IMAGE, 501: "This version does not do it."},
    ),
)

PROGRESS = (
    RouteDoc(
        method="GET",
        path="/sdapi/v1/progress",
        operation_id="progressapi_sdapi_v1_progress_get",
        tag=Tag.PROGRESS,
        summary="How far the running job is",
        response=progress.ProgressResponse,
        query=(
            QueryParameter(
                "skip_current_image",
                {"type": "boolean", "default": False, "title": "Skip Current Image"},
                "Leave out the preview.",
            ),
            ID_TASK,
        ),
    ),
    RouteDoc(
        method="POST",
        path="/sdapi/v1/interrupt",
        operation_id="interruptapi_sdapi_v1_interrupt_post",
        tag=Tag.PROGRESS,
        summary="Stop the running job",
        description="Its request is answered with the pictures made so far. Does nothing when idle.",
        response=EMPTY,
        query=(ID_TASK,),
    ),
    RouteDoc(
        method="POST",
        path="/sdapi/v1/skip",
        operation_id="skip_sdapi_v1_skip_post",
        tag=Tag.PROGRESS,
        summary="End the running batch and go on with the next",
        response=NULL,
        query=(ID_TASK,),
    ),
    RouteDoc(
        method="POST",
        path="/internal/progress",
        operation_id="progressapi_internal_progress_post",
        tag=Tag.PROGRESS,
        summary="How far one job is",
        request=progress.InternalProgressRequest,
        response=progress.InternalProgressResponse,
        examples=examples.INTERNAL_PROGRESS,
    ),
    RouteDoc(
        method="GET",
        path="/internal/pending-tasks",
        operation_id="get_pending_tasks_internal_pending_tasks_get",
        tag=Tag.PROGRESS,
        summary="Jobs that wait",
        response=progress.PendingTasksResponse,
    ),
)
