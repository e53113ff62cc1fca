"""The Plan: what one generation will do, as pure data.

Nothing after this room reads options or the HTTP request. A Plan can be logged, stored, sent to another
machine and replayed; with the same model files it gives the same pictures.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from sdapi_compat.imaging.hires import HiresTarget
from sdapi_compat.imaging.wire import Pixels
from sdapi_compat.plan.output import Preview, Report, Saving
from sdapi_compat.sampling.recipe import Churn, SigmaRecipe, UniPCSettings


class AdapterChoice(msgspec.Struct, frozen=True):
    """A LoRA (or relative) by the name a prompt gives it, with its strengths; `rank` None: the full rank."""

    name: str
    text_encoder: float
    unet: float
    rank: int | None


class HypernetworkChoice(msgspec.Struct, frozen=True):
    """A hypernetwork by the name a prompt gives it, with its strength."""

    name: str
    multiplier: float


class ModelChoice(msgspec.Struct, frozen=True):
    """Which files make the model: a checkpoint's registry name, a VAE file's name (None: the baked-in).

    Jobs of equal choices can share a forward pass.
    """

    checkpoint: str
    vae: str | None = None
    adapters: tuple[AdapterChoice, ...] = ()
    hypernetworks: tuple[HypernetworkChoice, ...] = ()

    def bare(self) -> ModelChoice:
        """The files alone, without any network."""
        return ModelChoice(self.checkpoint, self.vae)


class TextRules(msgspec.Struct, frozen=True, kw_only=True):
    """How prompts become conditioning (A1111 1.10.1 options of the same meaning).

    `first_pass_conds`: the hires prompts are encoded by the model of the first pass, with its networks.
    """

    clip_skip: int
    emphasis: str
    old_emphasis: bool
    comma_backtrack: int
    old_scheduling: bool
    pad_cond_uncond: bool
    pad_cond_uncond_v0: bool
    first_pass_conds: bool = False


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
    token_merging: float


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """The picture side of img2img, prepared to the size of the pass.

    `inputs`: the pictures as they came, where they are to be saved.
    `pictures`: RGB, one per image of the batch or a single one for all. `mask`: white where new content goes.
    `latent_mask`: what latents see of it, where that differs. `overlays`: RGBA, put over the results, cut
    from `originals`; `paste_to`: (x, y, width, height) of the result in the overlay. `color_target`: what the
    colours are corrected to, None for the pictures.
    """

    inputs: tuple[Pixels, ...]
    pictures: tuple[Pixels, ...]
    denoising_strength: float
    noise_multiplier: float
    extra_noise: float
    resize_latent: bool
    mask: Pixels | None
    latent_mask: Pixels | None
    mask_round: bool
    fill: int
    originals: tuple[Pixels, ...]
    overlays: tuple[Pixels, ...]
    overlay_masks: tuple[Pixels, ...]
    paste_to: tuple[int, int, int, int] | None
    color_correction: bool
    color_target: Pixels | None = None
    upscaler: str | None


class Refiner(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint that takes over in the named passes.

    `switch_at`: share of the noise (or, with the plan's `refiner_by_steps`, of the steps) that is done then;
    None: at once.
    `passes`: the option hires_fix_refiner_pass where the infotext has to say it, else None.
    """

    model: ModelChoice
    switch_at: float | None
    first_pass: bool
    second_pass: bool
    passes: str | None


class NetworkRules(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of `<lora:...>` and `<hypernet:...>`: are they applied, does the infotext have hashes.

    `bundled`: the infotext names textual inversions that a LoRA brought along.
    """

    enabled: bool
    hashes: bool
    bundled: bool = True


class DecodeRules(msgspec.Struct, frozen=True, kw_only=True):
    """What to do about NaN in decoded pictures: look for them, and retry in a wider dtype.

    `tiny`: TAESD decodes, in the VAE's place.
    """

    check: bool
    to_float32: bool
    to_bfloat16: bool
    tiny: bool


class VaeMethods(msgspec.Struct, frozen=True):
    """Options sd_vae_decode_method and sd_vae_encode_method: "TAESD", or else the VAE."""

    decode: str
    encode: str


class ScheduleRules(msgspec.Struct, frozen=True):
    """How the model's own noise schedule is bent before use."""

    downcast: bool
    zero_terminal_snr: bool
    quantize: bool


class Inversion(msgspec.Struct, frozen=True, kw_only=True):
    """Where img2img takes its noise from: the picture itself, followed back to noise in `steps` steps.

    Prompts and strength of guidance describe the picture as it is. `randomness`: share of random noise in
    the result, 0..1. `sigma_adjustment`: slopes are taken at the lower end of each step.
    """

    prompt: str
    negative_prompt: str
    cfg_scale: float
    steps: int
    randomness: float = 0.0
    sigma_adjustment: bool = False


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One generation: `n_iter` batches of `batch_size` pictures.

    `mask_weight`: how fully inpainting models are kept from seeing what is under the mask, 0..1.
    `token_merging`: the share of tokens that self-attention does without. `refiner_by_steps`: what a refiner
    waits for, told in the infotext also where there is none.
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
    token_merging: float
    mask_weight: float
    schedule: ScheduleRules
    networks: NetworkRules
    decoding: DecodeRules
    vae_methods: VaeMethods
    text: TextRules
    noise: NoiseRules
    guidance: GuidanceRules
    sampler: SamplerRules
    hires: Hires | None
    refiner: Refiner | None
    refiner_by_steps: bool
    source: Source | None
    inversion: Inversion | None
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

    @property
    def passes(self) -> int:
        """How often a batch runs through the model's noise levels."""
        return 1 if self.hires is None and self.inversion is None else 2
