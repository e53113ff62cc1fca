"""Items of the GET routes that list what the server has."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct


class SamplerItem(Struct, frozen=True):
    """A sampler."""

    name: Annotated[str, Meta(description="Value for sampler_name.", examples=["Euler a"])]
    aliases: Annotated[list[str], Meta(description="Other names of it.", examples=[["k_euler_a"]])]
    options: Annotated[
        dict[str, str],
        Meta(description="Its properties, every value as text.", examples=[{"uses_ensd": "True"}]),
    ]


class SchedulerItem(Struct, frozen=True):
    """A noise schedule."""

    name: Annotated[str, Meta(description="Value for scheduler.", examples=["karras"])]
    label: Annotated[str, Meta(description="Name for people, accepted as well.", examples=["Karras"])]
    aliases: Annotated[list[str] | None, Meta(description="Other names of it.")] = None
    default_rho: Annotated[
        float | None, Meta(description="Its rho where none is set in the options; -1.0 has none.")
    ] = None
    need_inner_model: Annotated[
        bool | None, Meta(description="It depends on the checkpoint's own noise levels.")
    ] = None


class UpscalerItem(Struct, frozen=True):
    """An upscaler."""

    name: Annotated[str, Meta(description="Value for upscaler_1 and hr_upscaler.", examples=["Lanczos"])]
    model_name: Annotated[str | None, Meta(description="Name of its model, if it has one.")] = None
    model_path: Annotated[
        str | None, Meta(description="Where its weights are: a path, or the URL they come from.")
    ] = None
    model_url: Annotated[str | None, Meta(description="Always null.")] = None
    scale: Annotated[float | None, Meta(description="Factor of enlargement its model was made for.")] = None


class LatentUpscalerModeItem(Struct, frozen=True):
    """A way to enlarge latents in the hires fix."""

    name: Annotated[str, Meta(description="Value for hr_upscaler.", examples=["Latent (nearest)"])]


class SDModelItem(Struct, frozen=True):
    """A checkpoint."""

    title: Annotated[
        str,
        Meta(
            description="Value for the option sd_model_checkpoint: file name and, once known, [hash].",
            examples=["model.safetensors [0123456789]"],
        ),
    ]
    model_name: Annotated[str, Meta(description="File name without its extension.", examples=["model"])]
    hash: Annotated[str | None, Meta(description="First 10 hexadecimal digits of sha256, once known.")]
    sha256: Annotated[str | None, Meta(description="SHA-256 of the file, once known.")]
    filename: Annotated[str, Meta(description="Path on the server.")]
    config: Annotated[str | None, Meta(description="Path of the .yaml file beside it, if any.")]


class SDVaeItem(Struct, frozen=True):
    """A VAE in a file of its own."""

    model_name: Annotated[str, Meta(description="Value for the option sd_vae: the file name.")]
    filename: Annotated[str, Meta(description="Path on the server.")]


class HypernetworkItem(Struct, frozen=True):
    """A hypernetwork."""

    name: Annotated[str, Meta(description="Name for <hypernet:name:1>.")]
    path: Annotated[str | None, Meta(description="Path on the server.")] = None


class FaceRestorerItem(Struct, frozen=True):
    """A face restorer."""

    name: Annotated[str, Meta(description="Value for the option face_restoration_model.")]
    cmd_dir: Annotated[str | None, Meta(description="Always null.")] = None


class RealesrganItem(Struct, frozen=True):
    """A Real-ESRGAN model known to the server."""

    name: Annotated[str, Meta(description="Value for the option realesrgan_enabled_models.")]
    path: Annotated[str | None, Meta(description="URL its weights come from.")] = None
    scale: Annotated[int | None, Meta(description="Factor of enlargement.")] = None


class PromptStyleItem(Struct, frozen=True):
    """A saved prompt style."""

    name: Annotated[str, Meta(description="Value for `styles`.", examples=["cinematic"])]
    prompt: Annotated[
        str | None, Meta(description="Text added to the prompt, or put around it at {prompt}.")
    ] = None
    negative_prompt: Annotated[str | None, Meta(description="The same for the negative prompt.")] = None


class EmbeddingItem(Struct, frozen=True):
    """A textual inversion embedding."""

    step: Annotated[int | None, Meta(description="Steps it was trained for, if recorded.")]
    sd_checkpoint: Annotated[
        str | None, Meta(description="Hash of the checkpoint it was trained on, if recorded.")
    ]
    sd_checkpoint_name: Annotated[str | None, Meta(description="Name of that checkpoint, if recorded.")]
    shape: Annotated[int, Meta(description="Length of each vector, 768 for SD 1 and 1024 for SD 2.")]
    vectors: Annotated[int, Meta(description="Number of vectors, that is of tokens it takes.")]


class EmbeddingsResponse(Struct, frozen=True):
    """Reply of GET /sdapi/v1/embeddings."""

    loaded: Annotated[
        dict[str, EmbeddingItem], Meta(description="Those that fit the current checkpoint, by name.")
    ]
    skipped: Annotated[dict[str, EmbeddingItem], Meta(description="Those that do not fit it, by name.")]


class LoraItem(Struct, frozen=True):
    """A LoRA or a relative of it."""

    name: Annotated[str, Meta(description="Name for <lora:name:1>: the file name without extension.")]
    alias: Annotated[str, Meta(description="Name its maker gave it, else the same as name.")]
    path: Annotated[str, Meta(description="Path on the server.")]
    metadata: Annotated[dict[str, Any], Meta(description="What its file says about its making.")]
