"""The Draft: a request with its nulls resolved and its pictures decoded, before anything is computed.

Scripts and extensions work on Drafts. A Draft says what was asked; the Plan says what will be done.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from PIL import Image

from sdapi_compat.errors import ApiError, InvalidRequest, Problem
from sdapi_compat.imaging import wire
from sdapi_compat.imaging.hires import hires_target, old_first_pass
from sdapi_compat.options.snapshot import Snapshot
from sdapi_compat.plan import checks, seeds
from sdapi_compat.plan.plan import Inversion
from sdapi_compat.plan.prompts import listed_batches
from sdapi_compat.sampling.table import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sdapi_compat.imaging.wire import Fetched, ImageLimits
    from sdapi_compat.schema.img2img import StableDiffusionProcessingImg2Img
    from sdapi_compat.schema.txt2img import StableDiffusionProcessingTxt2Img


class HiresDraft(msgspec.Struct, frozen=True, kw_only=True):
    """The second pass as asked: 0, "" and None mean what they mean on the wire."""

    scale: float
    upscaler: str | None
    steps: int
    resize_x: int
    resize_y: int
    checkpoint: str | None
    sampler: str | None
    scheduler: str | None
    prompt: str
    negative_prompt: str


class PictureDraft(msgspec.Struct, frozen=True, kw_only=True):
    """The picture side of img2img as asked.

    For scripts: `latent_mask` is what latents see in place of `mask`, of the job's size, taken as it is.
    `color_target` is what colours are corrected to, under that option, in place of the init images.
    """

    init_images: tuple[Image.Image, ...]
    mask: Image.Image | None
    resize_mode: int
    mask_blur_x: int
    mask_blur_y: int
    mask_round: bool
    inpainting_fill: int
    full_res: bool
    full_res_padding: int
    invert: bool
    noise_multiplier: float | None
    image_cfg_scale: float | None
    latent_mask: Image.Image | None = None
    color_target: Image.Image | None = None


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """One generation as asked. `prompt` and `seed` may be one for all images or one per image.

    For scripts: `options` are those it runs under, `title` is what /progress calls it. `luck`: where its
    random numbers come from, so that the same job done again draws the same; None is new luck each time.
    """

    kind: Literal["txt2img", "img2img"]
    prompt: str | tuple[str, ...]
    negative_prompt: str | tuple[str, ...]
    styles: tuple[str, ...]
    seed: int | tuple[int, ...]
    subseed: int | tuple[int, ...]
    subseed_strength: float
    seed_resize_from_h: int
    seed_resize_from_w: int
    sampler: str
    scheduler: str
    batch_size: int
    n_iter: int
    steps: int
    cfg_scale: float
    width: int
    height: int
    tiling: bool
    eta: float | None
    denoising_strength: float | None
    s_min_uncond: float | None
    s_churn: float | None
    s_tmin: float | None
    s_tmax: float | None
    s_noise: float | None
    refiner_checkpoint: str | None
    refiner_switch_at: float | None
    disable_extra_networks: bool
    hires: HiresDraft | None
    picture: PictureDraft | None
    inversion: Inversion | None = None
    save_images: bool
    grid: bool
    extra: dict[str, Any] = msgspec.field(default_factory=dict)
    options: Snapshot = msgspec.field(default_factory=lambda: Snapshot({}))
    title: str | None = None
    luck: int | None = None

    def change(self, **fields: Any) -> Draft:
        """A copy with some fields replaced."""
        return msgspec.structs.replace(self, **fields)

    def with_options(self, changes: Mapping[str, Any]) -> Draft:
        """A copy under other options, by the rules of override_settings. Fault for what they refuse."""
        return self.change(options=self.options.overlay(changes))

    def with_fixed_seeds(self) -> Draft:
        """A copy whose seeds of -1 are drawn, so that all parts of a script share them."""
        chance = self.chance()
        seed, subseed = (seeds.resolved(one, chance) for one in (self.seed, self.subseed))
        return self.change(seed=seed, subseed=subseed)

    def fixed_seed(self) -> int:
        """The seed of the first image; -1 is drawn, the same number for the same `luck`."""
        first = self.seed if isinstance(self.seed, int) else self.seed[0]
        return seeds.fixed(first, self.chance())

    def chance(self) -> random.Random:
        """Random numbers, the same ones for the same `luck`."""
        return random.Random(self.luck)


class Limits(msgspec.Struct, frozen=True):
    """What this server accepts: pixels and bytes of pictures sent, and the longest side generated."""

    pictures: ImageLimits
    longest_side: int


def check(draft: Draft, limits: Limits) -> None:
    """InvalidRequest for sizes and counts beyond those of a request; for drafts that scripts make."""
    checks.check_counts(msgspec.structs.asdict(draft), limits.longest_side)
    if draft.hires is not None:
        _check_second_pass(draft.hires, (draft.width, draft.height), limits)


def _check_second_pass(hires: HiresDraft, size: tuple[int, int], limits: Limits) -> None:
    target = hires_target(size, hires.scale, hires.resize_x, hires.resize_y)
    field = "hr_scale" if hires.resize_x == 0 and hires.resize_y == 0 else "hr_resize_x"
    checks.check_second_pass(hires.steps, target, field, limits.longest_side)


def from_txt2img(request: StableDiffusionProcessingTxt2Img, snapshot: Snapshot, limits: Limits) -> Draft:
    """A txt2img request body as a Draft. Raises InvalidRequest for numbers nothing can be made of."""
    fields = _common(request, snapshot, limits)
    first = (_or(request.firstphase_width, 0), _or(request.firstphase_height, 0))
    if first != (0, 0):
        # Legacy fields: they replace the size of the first pass, also without a second one.
        fields["width"], fields["height"] = first
        checks.check_counts(fields, limits.longest_side)
    fields["denoising_strength"] = request.denoising_strength
    if request.enable_hr and request.denoising_strength is None:
        raise InvalidRequest(
            [Problem(("body", "denoising_strength"), "field required with enable_hr", "value_error.missing")]
        )
    hires = _hires(request) if request.enable_hr else None
    if hires is not None and snapshot.flag("use_old_hires_fix_width_height"):
        # The size asked for is that of the result.
        hires = msgspec.structs.replace(hires, resize_x=fields["width"], resize_y=fields["height"])
        fields["width"], fields["height"] = old_first_pass(fields["width"], fields["height"])
        checks.check_counts(fields, limits.longest_side)
    if hires is not None:
        _check_second_pass(hires, (fields["width"], fields["height"]), limits)
    return Draft(kind="txt2img", hires=hires, picture=None, **fields)


def _hires(request: StableDiffusionProcessingTxt2Img) -> HiresDraft:
    return HiresDraft(
        scale=_or(request.hr_scale, 2.0),
        upscaler=request.hr_upscaler,
        steps=_or(request.hr_second_pass_steps, 0),
        resize_x=_or(request.hr_resize_x, 0),
        resize_y=_or(request.hr_resize_y, 0),
        checkpoint=request.hr_checkpoint_name,
        sampler=request.hr_sampler_name,
        scheduler=request.hr_scheduler,
        prompt=_or(request.hr_prompt, ""),
        negative_prompt=_or(request.hr_negative_prompt, ""),
    )


def from_img2img(
    request: StableDiffusionProcessingImg2Img,
    snapshot: Snapshot,
    limits: Limits,
    fetched: Fetched = wire.NOTHING_FETCHED,
) -> Draft:
    """An img2img request body as a Draft. ApiError 404 without init images, 500 for undecodable ones."""
    if request.init_images is None:
        raise ApiError(404, "Init image not found")
    if not request.init_images:
        raise InvalidRequest(
            [Problem(("body", "init_images"), "ensure this value has at least 1 items", "value_error")]
        )
    checks.check_init_images(request.init_images)
    fields = _common(request, snapshot, limits)
    fields["denoising_strength"] = _or(request.denoising_strength, 0.75)
    mask = None if not request.mask else wire.decode(request.mask, limits.pictures, fetched)
    blur = request.mask_blur
    picture = PictureDraft(
        init_images=tuple(wire.decode(text, limits.pictures, fetched) for text in request.init_images),
        mask=mask,
        resize_mode=_or(request.resize_mode, 0),
        mask_blur_x=_or(request.mask_blur_x, 4) if blur is None else blur,
        mask_blur_y=_or(request.mask_blur_y, 4) if blur is None else blur,
        mask_round=_or(request.mask_round, True),
        inpainting_fill=_or(request.inpainting_fill, 0),
        full_res=_or(request.inpaint_full_res, True),
        full_res_padding=_or(request.inpaint_full_res_padding, 0),
        invert=bool(request.inpainting_mask_invert),
        noise_multiplier=request.initial_noise_multiplier,
        image_cfg_scale=request.image_cfg_scale,
    )
    return Draft(kind="img2img", hires=None, picture=picture, **fields)


def _common(
    request: StableDiffusionProcessingTxt2Img | StableDiffusionProcessingImg2Img,
    snapshot: Snapshot,
    limits: Limits,
) -> dict[str, Any]:
    if request.restore_faces:
        raise ApiError(501, "restore_faces is not built yet: there is no face restorer on this server")
    checks.check_finite(request)
    prompt = _or(request.prompt, "")
    sampler, scheduler = resolve(request.sampler_name or request.sampler_index or "Euler", request.scheduler)
    fields: dict[str, Any] = {
        "prompt": prompt if isinstance(prompt, str) else tuple(prompt),
        "negative_prompt": _or(request.negative_prompt, ""),
        "styles": tuple(request.styles or ()),
        "seed": _or(request.seed, -1),
        "subseed": _or(request.subseed, -1),
        "subseed_strength": _or(request.subseed_strength, 0),
        "seed_resize_from_h": _or(request.seed_resize_from_h, -1),
        "seed_resize_from_w": _or(request.seed_resize_from_w, -1),
        "sampler": sampler,
        "scheduler": scheduler,
        "batch_size": _or(request.batch_size, 1),
        "n_iter": _or(request.n_iter, 1),
        "steps": _or(request.steps, 50),
        "cfg_scale": _or(request.cfg_scale, 7.0),
        "width": _or(request.width, 512),
        "height": _or(request.height, 512),
        "tiling": snapshot.flag("tiling") if request.tiling is None else request.tiling,
        "eta": request.eta,
        "s_min_uncond": request.s_min_uncond,
        "s_churn": request.s_churn,
        "s_tmin": request.s_tmin,
        "s_tmax": request.s_tmax,
        "s_noise": request.s_noise,
        "refiner_checkpoint": request.refiner_checkpoint,
        "refiner_switch_at": request.refiner_switch_at,
        "disable_extra_networks": bool(request.disable_extra_networks),
        "save_images": bool(request.save_images),
        "grid": bool(request.save_images),
        "options": snapshot,
    }
    checks.check_counts(fields, limits.longest_side)
    if not isinstance(prompt, str):
        checks.check_prompts(prompt, fields["n_iter"], request.script_name)
        fields |= listed_batches(len(prompt), fields["batch_size"])
    return fields


def _or(value: Any, default: Any) -> Any:
    """The default for null: the original crashes on most nulls, nobody depends on that."""
    return default if value is None else value
