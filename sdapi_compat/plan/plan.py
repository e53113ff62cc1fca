"""The Plan: what one generation will do, as pure data.

Nothing after this room reads options or the HTTP request. A Plan can be logged, stored, sent to another
machine and replayed; with the same model files it gives the same pictures.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from sdapi_compat.imaging.files import JpegCopy
from sdapi_compat.imaging.hires import HiresTarget
from sdapi_compat.imaging.wire import Pixels
from sdapi_compat.sampling.recipe import Churn, SigmaRecipe, UniPCSettings


class AdapterChoice(msgspec.Struct, frozen=True):
    """A LoRA (or relative) by the name a prompt gives it, with its strengths; `rank` None: the full rank."""

    name: str
    text_encoder: float
    unet: float
    rank: int | None


class ModelChoice(msgspec.Struct, frozen=True):
    """Which files make the model: a checkpoint's registry name, a VAE file's name (None: the baked-in).

    Jobs of equal choices can share a forward pass.
    """

    checkpoint: str
    vae: str | None = None
    adapters: tuple[AdapterChoice, ...] = ()


class TextRules(msgspec.Struct, frozen=True, kw_only=True):
    """How prompts become conditioning (A1111 1.10.1 options of the same meaning)."""

    clip_skip: int
    emphasis: str
    comma_backtrack: int
    old_scheduling: bool
    pad_cond_uncond: bool
    pad_cond_uncond_v0: bool


class NoiseRules(msgspec.Struct, frozen=True, kw_only=True):
    """Where noise comes from. `resize_from`: (width, height) of the picture whose layout to keep."""

    source: Literal["GPU", "CPU", "NV"]
    subseed_strength: float
    resize_from: tuple[int, int] | None
    ensd: int


class GuidanceRules(msgspec.Struct, frozen=True, kw_only=True):
    """Classifier-free guidance and when to leave the unconditional half out."""

    cfg_scale: float
    image_cfg_scale: float | None
    skip_early: float
    s_min_uncond: float
    s_min_uncond_all: bool


class SamplerRules(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a sampler; `recipe` names it. eta and churn are effective values, `infotext` tells of them.

    `t_enc`: run only the last t_enc + 1 steps of the recipe, from a picture (img2img, hires); None: run all.
    """

    recipe: SigmaRecipe
    t_enc: int | None
    eta: float
    churn: Churn
    infotext: dict[str, float]
    unipc: UniPCSettings
    sgm_noise_multiplier: bool
    batch_determinism: bool


class Prompts(msgspec.Struct, frozen=True):
    """One positive and one negative prompt per image, styles merged and comments removed."""

    positive: tuple[str, ...]
    negative: tuple[str, ...]


class Hires(msgspec.Struct, frozen=True, kw_only=True):
    """The second pass of txt2img."""

    model: ModelChoice
    prompts: Prompts
    sampler: SamplerRules
    steps: int
    denoising_strength: float
    upscaler: str
    target: HiresTarget
    extra_noise: float


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """The picture side of img2img, prepared to the size of the pass.

    `pictures`: RGB, one per image of the batch or a single one for all. `mask`: white where new content goes.
    `overlays`: RGBA, put over the results; `paste_to`: (x, y, width, height) of the result in the overlay.
    """

    pictures: tuple[Pixels, ...]
    denoising_strength: float
    noise_multiplier: float
    extra_noise: float
    resize_latent: bool
    mask: Pixels | None
    mask_round: bool
    fill: int
    overlays: tuple[Pixels, ...]
    overlay_masks: tuple[Pixels, ...]
    paste_to: tuple[int, int, int, int] | None
    color_correction: bool
    upscaler: str | None


class Saving(msgspec.Struct, frozen=True, kw_only=True):
    """Which files to write, where and how; directories are absolute."""

    samples: bool
    grid: bool
    directory: str
    grid_directory: str
    to_subdirectories: bool
    grid_to_subdirectories: bool
    subdirectory_pattern: str
    name_pattern: str
    add_number: bool
    replace_action: str
    format: str
    grid_format: str
    quality: int
    lossless: bool
    text_file: bool
    incomplete: bool
    max_name_length: int
    prompt_words: int
    unix_names: bool
    jpeg_copy: JpegCopy | None
    params_file: str | None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What infotext and info say beyond what was done.

    `steps`, `denoising_strength` and `seed_resize` are as asked. `extra` keeps the original's
    insertion order; a list in it has one value per image.
    """

    steps: int
    denoising_strength: float | None
    seed_resize: tuple[int, int]
    model_name: bool
    model_hash: bool
    vae_name: bool
    vae_hash: bool
    embedding_hashes: bool
    version: str | None
    embed: bool
    styles: tuple[str, ...]
    asked_prompt: str
    scheduler: str
    shows_ensd: bool
    extra: dict[str, Any]


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """When to keep latents for /progress: every so many steps, 0 for never."""

    every: int
    content: str


class Refiner(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint that takes over in the named passes.

    `switch_at`: share of the noise (or, `by_steps`, of the steps) that is done then; None: at once.
    `passes`: the option hires_fix_refiner_pass where the infotext has to say it, else None.
    """

    model: ModelChoice
    switch_at: float | None
    by_steps: bool
    first_pass: bool
    second_pass: bool
    passes: str | None


class NetworkRules(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of `<lora:...>` tags: whether they are applied, and named in the infotext."""

    enabled: bool
    hashes: bool


class DecodeRules(msgspec.Struct, frozen=True, kw_only=True):
    """What to do about NaN in decoded pictures: look for them, and retry in a wider dtype."""

    check: bool
    to_float32: bool
    to_bfloat16: bool


class ScheduleRules(msgspec.Struct, frozen=True):
    """How the model's own noise schedule is bent before use."""

    downcast: bool
    zero_terminal_snr: bool
    quantize: bool


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One generation: `n_iter` batches of `batch_size` pictures.

    `mask_weight`: how fully inpainting models are kept from seeing what is under the mask, 0..1.
    """

    kind: Literal["txt2img", "img2img"]
    model: ModelChoice
    prompts: Prompts
    seeds: tuple[int, ...]
    subseeds: tuple[int, ...]
    width: int
    height: int
    batch_size: int
    n_iter: int
    tiling: bool
    mask_weight: float
    schedule: ScheduleRules
    networks: NetworkRules
    decoding: DecodeRules
    text: TextRules
    noise: NoiseRules
    guidance: GuidanceRules
    sampler: SamplerRules
    hires: Hires | None
    refiner: Refiner | None
    source: Source | None
    grid: bool
    grid_returned: bool
    grid_only_if_multiple: bool
    grid_rows: int
    grid_prevent_empty: bool
    grid_background: str
    return_mask: bool
    return_mask_composite: bool
    save: Saving
    report: Report
    preview: Preview
