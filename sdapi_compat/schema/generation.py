"""Fields that txt2img and img2img share, and the reply of both.

The order of the fields is the order of the `parameters` echo in the reply (A1111 1.10.1 behaviour).
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

ForceTaskId = Annotated[
    str | None,
    Meta(
        description="Name of the job, for following it with POST /internal/progress; null makes one up.",
        examples=["task(my-job-1)"],
    ),
]
SamplerIndex = Annotated[
    str,
    Meta(
        description="Old name of sampler_name, used only where sampler_name is null or empty.",
        examples=["Euler"],
    ),
]
ScriptName = Annotated[
    str | None,
    Meta(
        description=(
            "Selectable script to run, by the names of GET /sdapi/v1/scripts, in any letter case; "
            "null runs none."
        ),
        examples=["prompt matrix"],
    ),
]
ScriptArgs = Annotated[
    list[Any],
    Meta(description="All arguments of script_name by position, as listed by GET /sdapi/v1/script-info."),
]
SendImages = Annotated[
    bool, Meta(description="Put the pictures into the reply; false leaves `images` empty.")
]
SaveImages = Annotated[
    bool, Meta(description="Also write the pictures, and a grid of them, to the server's disk.")
]
AlwaysonScripts = Annotated[
    dict[str, Any],
    Meta(
        description=(
            "Arguments of always-on scripts, by script name: an object with the list `args` for each."
        ),
        examples=[{"refiner": {"args": []}}],
    ),
]
Infotext = Annotated[
    str | None,
    Meta(
        description=(
            "Generation parameters as text, as written into pictures; they fill the fields absent "
            "from this request."
        ),
        examples=["a lighthouse\nSteps: 20, Sampler: Euler a, CFG scale: 7.0, Seed: 1, Size: 512x512"],
    ),
]


class GenerationRequest(Struct, frozen=True):
    """What txt2img and img2img both accept.

    Numbers may be sent as text and text as numbers; null means the default of the option that governs the
    field; unknown fields are ignored and named in the X-Sdapi-Ignored-Fields reply header.
    """

    prompt: Annotated[
        str | list[str] | None,
        Meta(
            description=(
                "What the picture shows; (word:1.2), [a:b:0.5], AND, BREAK and <lora:name:1> have "
                "their usual meaning. Not of the original: a list gives one picture for each of its "
                "prompts, with the seed counted up."
            ),
            examples=["a lighthouse on a cliff at sunset"],
        ),
    ] = ""
    negative_prompt: Annotated[
        str | None, Meta(description="What to keep out of the picture.", examples=["lowres, blurry"])
    ] = ""
    styles: Annotated[
        list[str] | None,
        Meta(
            description="Names of saved prompt styles to apply, in this order; unknown names are skipped.",
            examples=[["cinematic"]],
        ),
    ] = None
    seed: Annotated[
        int | None,
        Meta(
            description="Noise seed of the first picture, the next ones count up; -1 draws one at random.",
            examples=[1234],
        ),
    ] = -1
    subseed: Annotated[
        int | None, Meta(description="Seed of the variation noise; -1 draws one at random.", examples=[-1])
    ] = -1
    subseed_strength: Annotated[
        float | None,
        Meta(
            description="How much variation noise is mixed in, from 0.0 (none) to 1.0 (only that).",
            examples=[0.2],
        ),
    ] = 0
    seed_resize_from_h: Annotated[
        int | None,
        Meta(
            description="Height in pixels of the picture whose noise pattern is to be kept; 0 or less is off."
        ),
    ] = -1
    seed_resize_from_w: Annotated[
        int | None,
        Meta(
            description="Width in pixels of the picture whose noise pattern is to be kept; 0 or less is off."
        ),
    ] = -1
    sampler_name: Annotated[
        str | None,
        Meta(
            description=(
                "Sampler, by a name of GET /sdapi/v1/samplers; a trailing scheduler name is understood too."
            ),
            examples=["Euler a"],
        ),
    ] = None
    scheduler: Annotated[
        str | None,
        Meta(
            description="Noise schedule, by name or label of GET /sdapi/v1/schedulers; null is Automatic.",
            examples=["Karras"],
        ),
    ] = None
    batch_size: Annotated[
        int | None, Meta(description="Pictures made at the same time, 1 or more.", examples=[1])
    ] = 1
    n_iter: Annotated[
        int | None, Meta(description="Batches made one after another, 1 or more.", examples=[1])
    ] = 1
    steps: Annotated[
        int | None,
        Meta(description="Sampling steps, 1 or more; 20 to 30 suit most samplers.", examples=[20]),
    ] = 50
    cfg_scale: Annotated[
        float | None,
        Meta(
            description=(
                "Strength of the prompt against the negative prompt (classifier-free guidance), "
                "commonly 1 to 30."
            ),
            examples=[7.0],
        ),
    ] = 7.0
    width: Annotated[
        int | None,
        Meta(description="Width in pixels; rounded down to a multiple of 8.", examples=[512]),
    ] = 512
    height: Annotated[
        int | None,
        Meta(description="Height in pixels; rounded down to a multiple of 8.", examples=[512]),
    ] = 512
    restore_faces: Annotated[
        bool | None,
        Meta(description="Run face restoration on the result; null is the option face_restoration."),
    ] = None
    tiling: Annotated[
        bool | None,
        Meta(description="Make a picture whose opposite edges fit together; null is the option tiling."),
    ] = None
    do_not_save_samples: Annotated[
        bool | None, Meta(description="Accepted and ignored: save_images decides.")
    ] = False
    do_not_save_grid: Annotated[
        bool | None, Meta(description="Accepted and ignored: save_images decides.")
    ] = False
    eta: Annotated[
        float | None,
        Meta(
            description=(
                "Noise added at each step by ancestral samplers and DDIM, 0.0 to 1.0; null is the "
                "option eta_ancestral or eta_ddim."
            ),
        ),
    ] = None
    denoising_strength: Annotated[
        float | None,
        Meta(
            description="How far a given picture is redone, from 0.0 (kept) to 1.0 (made anew).",
            examples=[0.75],
        ),
    ] = None
    s_min_uncond: Annotated[
        float | None,
        Meta(
            description=(
                "Skip the negative prompt on every other step below this sigma; null is the option "
                "s_min_uncond."
            ),
        ),
    ] = None
    s_churn: Annotated[
        float | None,
        Meta(
            description="Extra noise per step (Karras et al. 2022, S_churn), 0 or more; null is the option."
        ),
    ] = None
    s_tmax: Annotated[
        float | None,
        Meta(description="Highest sigma at which s_churn acts; 0 is no limit, null is the option s_tmax."),
    ] = None
    s_tmin: Annotated[
        float | None,
        Meta(description="Lowest sigma at which s_churn acts; null is the option s_tmin."),
    ] = None
    s_noise: Annotated[
        float | None,
        Meta(description="Scale of the noise that samplers add, about 1.0; null is the option s_noise."),
    ] = None
    override_settings: Annotated[
        dict[str, Any] | None,
        Meta(
            description="Options that hold for this request only, by their names of GET /sdapi/v1/options.",
            examples=[{"CLIP_stop_at_last_layers": 2}],
        ),
    ] = None
    override_settings_restore_afterwards: Annotated[
        bool | None,
        Meta(description="Accepted for compatibility; overrides never outlive their request."),
    ] = True
    refiner_checkpoint: Annotated[
        str | None, Meta(description="Checkpoint that takes over at refiner_switch_at; null uses none.")
    ] = None
    refiner_switch_at: Annotated[
        float | None,
        Meta(
            description="Part of the steps, 0.0 to 1.0, after which the refiner takes over.", examples=[0.8]
        ),
    ] = None
    disable_extra_networks: Annotated[
        bool | None,
        Meta(description="Take <lora:...> and its kin out of the prompt without applying them."),
    ] = False
    firstpass_image: Annotated[str | None, Meta(description="Accepted and ignored, as by the original.")] = (
        None
    )
    comments: Annotated[
        dict[str, Any] | None, Meta(description="Accepted and ignored, as by the original.")
    ] = None


class GenerationResponse(Struct, frozen=True):
    """The pictures and how they were made."""

    images: Annotated[
        list[str] | None,
        Meta(
            description=(
                "The pictures, base64 text without a data: prefix, encoded per the option samples_format; "
                "with response_format url the paths where they are."
            ),
        ),
    ]
    parameters: Annotated[
        dict[str, Any],
        Meta(description="The request with every default filled in; a random seed stays -1 here."),
    ]
    info: Annotated[
        str,
        Meta(
            description=(
                "JSON text that tells what was really done: all_seeds, all_prompts, infotexts, "
                "model, sampler."
            ),
        ),
    ]


class TextToImageResponse(GenerationResponse, frozen=True):
    """Reply of POST /sdapi/v1/txt2img."""


class ImageToImageResponse(GenerationResponse, frozen=True):
    """Reply of POST /sdapi/v1/img2img."""
