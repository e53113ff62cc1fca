"""Request of POST /sdapi/v1/img2img."""

from __future__ import annotations

from typing import Annotated, Any

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


class StableDiffusionProcessingImg2Img(GenerationRequest, frozen=True):
    """A picture from another picture, wholly or under a mask."""

    denoising_strength: Annotated[
        float | None,
        Meta(
            description="How far the given picture is redone, from 0.0 (kept) to 1.0 (made anew).",
            examples=[0.75],
        ),
    ] = 0.75
    init_images: Annotated[
        list[Any] | None,
        Meta(
            description=(
                "Pictures to start from, each base64 text, a data: URI or an http(s) URL; at least "
                "one is needed."
            ),
        ),
    ] = None
    resize_mode: Annotated[
        int | None,
        Meta(
            description=(
                "How a picture is fitted to width x height: 0 stretch, 1 crop, 2 fill the rest, 3 "
                "stretch in latent space."
            ),
            examples=[0],
        ),
    ] = 0
    image_cfg_scale: Annotated[
        float | None,
        Meta(
            description=(
                "Strength of the given picture for instruct-pix2pix checkpoints, commonly 0 to 3; "
                "others ignore it."
            ),
            examples=[1.5],
        ),
    ] = None
    mask: Annotated[
        str | None,
        Meta(
            description=(
                "Picture, sent like one of init_images, that is white where to repaint and black "
                "where to keep."
            ),
        ),
    ] = None
    mask_blur_x: Annotated[
        int | None, Meta(description="Horizontal blur of the mask's edge, in pixels, 0 or more.")
    ] = 4
    mask_blur_y: Annotated[
        int | None, Meta(description="Vertical blur of the mask's edge, in pixels, 0 or more.")
    ] = 4
    mask_blur: Annotated[
        int | None,
        Meta(description="Blur of the mask's edge both ways, in pixels; null leaves it to the two above."),
    ] = None
    mask_round: Annotated[
        bool | None,
        Meta(description="Make the mask purely black and white in latent space, after the blur."),
    ] = True
    inpainting_fill: Annotated[
        int | None,
        Meta(
            description=(
                "What lies under the mask at the start: 0 surrounding colours, 1 the picture, 2 "
                "noise, 3 nothing."
            ),
            examples=[1],
        ),
    ] = 0
    inpaint_full_res: Annotated[
        bool | None,
        Meta(
            description=(
                "Work on the masked area alone at width x height and put it back; false works on "
                "the whole picture."
            ),
        ),
    ] = True
    inpaint_full_res_padding: Annotated[
        int | None,
        Meta(
            description=(
                "Pixels of surroundings taken along with the masked area when inpaint_full_res is true."
            ),
            examples=[32],
        ),
    ] = 0
    inpainting_mask_invert: Annotated[
        int | None, Meta(description="1 repaints where the mask is black instead, 0 where it is white.")
    ] = 0
    initial_noise_multiplier: Annotated[
        float | None,
        Meta(description="Scale of the starting noise, about 1.0; null is the option of that name."),
    ] = None
    latent_mask: Annotated[str | None, Meta(description="Accepted and ignored, as by the original.")] = None
    force_task_id: ForceTaskId = None
    sampler_index: SamplerIndex = "Euler"
    include_init_images: Annotated[
        bool, Meta(description="Repeat init_images and mask in the reply's `parameters`.")
    ] = False
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
