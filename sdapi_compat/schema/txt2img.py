"""Request of POST /sdapi/v1/txt2img."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from sdapi_compat.schema.generation import (
    AlwaysonScripts,
    ForceTaskId,
    GenerationRequest,
    Infotext,
    SamplerIndex,
    SaveImages,
    ScriptArgs,
    ScriptName,
    SendImages,
)
from sdapi_compat.schema.own_fields import Priority, ResponseFormat, Webhook, WebhookEvents


class StableDiffusionProcessingTxt2Img(GenerationRequest, frozen=True):
    """A picture from a text, optionally made small first and then enlarged (the hires fix)."""

    enable_hr: Annotated[
        bool | None,
        Meta(
            description="Enlarge the finished picture and redo it (the hires fix); needs denoising_strength."
        ),
    ] = False
    firstphase_width: Annotated[
        int | None,
        Meta(
            description=(
                "Old way to set the first pass: its width in pixels, width being the final one; 0 is off."
            ),
        ),
    ] = 0
    firstphase_height: Annotated[
        int | None,
        Meta(
            description=(
                "Old way to set the first pass: its height in pixels, height being the final one; 0 is off."
            ),
        ),
    ] = 0
    hr_scale: Annotated[
        float | None,
        Meta(
            description="Factor of enlargement, used where hr_resize_x and hr_resize_y are both 0.",
            examples=[2.0],
        ),
    ] = 2.0
    hr_upscaler: Annotated[
        str | None,
        Meta(
            description=(
                "Upscaler, by a name of GET /sdapi/v1/upscalers or /latent-upscale-modes; null is Latent."
            ),
            examples=["Latent"],
        ),
    ] = None
    hr_second_pass_steps: Annotated[
        int | None, Meta(description="Sampling steps of the second pass; 0 takes those of the first.")
    ] = 0
    hr_resize_x: Annotated[
        int | None, Meta(description="Final width in pixels; 0 follows from the other side or hr_scale.")
    ] = 0
    hr_resize_y: Annotated[
        int | None, Meta(description="Final height in pixels; 0 follows from the other side or hr_scale.")
    ] = 0
    hr_checkpoint_name: Annotated[
        str | None, Meta(description="Checkpoint of the second pass; null keeps that of the first.")
    ] = None
    hr_sampler_name: Annotated[
        str | None, Meta(description="Sampler of the second pass; null keeps that of the first.")
    ] = None
    hr_scheduler: Annotated[
        str | None, Meta(description="Noise schedule of the second pass; null keeps that of the first.")
    ] = None
    hr_prompt: Annotated[
        str | None, Meta(description="Prompt of the second pass; empty keeps that of the first.")
    ] = ""
    hr_negative_prompt: Annotated[
        str | None, Meta(description="Negative prompt of the second pass; empty keeps that of the first.")
    ] = ""
    force_task_id: ForceTaskId = None
    sampler_index: SamplerIndex = "Euler"
    script_name: ScriptName = None
    script_args: ScriptArgs = field(default_factory=list)
    send_images: SendImages = True
    save_images: SaveImages = False
    alwayson_scripts: AlwaysonScripts = field(default_factory=dict)
    infotext: Infotext = None
    webhook: Webhook = None
    webhook_events: WebhookEvents = None
    priority: Priority = None
    response_format: ResponseFormat = None
