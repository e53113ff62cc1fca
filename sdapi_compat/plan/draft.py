"""The Draft: a request with its nulls resolved and its pictures decoded, before anything is computed.

Scripts and extensions work on Drafts. A Draft says what was asked; the Plan says what will be done.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from PIL import Image

from sdapi_compat.errors import ApiError, InvalidRequest, Problem
from sdapi_compat.imaging import wire
from sdapi_compat.imaging.hires import hires_target
from sdapi_compat.plan import seeds
from sdapi_compat.sampling.table import resolve

if TYPE_CHECKING:
    from sdapi_compat.imaging.wire import ImageLimits
    from sdapi_compat.options.snapshot import Snapshot
    from sdapi_compat.schema.img2img import StableDiffusionProcessingImg2Img
    from sdapi_compat.schema.txt2img import StableDiffusionProcessingTxt2Img

SMALLEST_SIDE = 8
# More than anybody asks for on purpose, and little enough that planning stays quick.
MOST = {"batch_size": 1_000, "n_iter": 10_000, "steps": 10_000}


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
    """The picture side of img2img as asked."""

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


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """One generation as asked. `prompt` and `seed` may be one for all images or one per image."""

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
    save_images: bool
    grid: bool
    extra: dict[str, Any] = msgspec.field(default_factory=dict)

    def change(self, **fields: Any) -> Draft:
        """A copy with some fields replaced."""
        return msgspec.structs.replace(self, **fields)

    def fixed_seed(self) -> int:
        """The seed of the first image; -1 is drawn anew with every call."""
        return seeds.fixed(self.seed if isinstance(self.seed, int) else self.seed[0])


class Limits(msgspec.Struct, frozen=True):
    """What this server accepts: pixels and bytes of pictures sent, and the longest side generated."""

    pictures: ImageLimits
    longest_side: int


def from_txt2img(request: StableDiffusionProcessingTxt2Img, snapshot: Snapshot, limits: Limits) -> Draft:
    """A txt2img request body as a Draft. Raises InvalidRequest for numbers nothing can be made of."""
    fields = _common(request, snapshot, limits)
    first = (_or(request.firstphase_width, 0), _or(request.firstphase_height, 0))
    if first != (0, 0):
        # Legacy fields: they replace the size of the first pass, also without a second one.
        fields["width"], fields["height"] = first
        _check(fields, limits.longest_side)
    fields["denoising_strength"] = request.denoising_strength
    if request.enable_hr and request.denoising_strength is None:
        raise InvalidRequest(
            [Problem(("body", "denoising_strength"), "field required with enable_hr", "value_error.missing")]
        )
    hires = _hires(request) if request.enable_hr else None
    if hires is not None:
        _check_second_pass(hires, (fields["width"], fields["height"]), limits.longest_side)
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


def _check_second_pass(hires: HiresDraft, size: tuple[int, int], longest_side: int) -> None:
    """Refuse steps and sizes nothing can be sampled with, or that no device holds."""
    if not 0 <= hires.steps <= MOST["steps"]:
        message = f"ensure this value is between 0 and {MOST['steps']}"
        raise InvalidRequest([Problem(("body", "hr_second_pass_steps"), message, "value_error")])
    sides = (0, 0)
    if math.isfinite(hires.scale):
        target = hires_target(size, hires.scale, hires.resize_x, hires.resize_y)
        sides = target.width, target.height
    if not all(SMALLEST_SIDE <= side <= longest_side for side in sides):
        field = "hr_scale" if hires.resize_x == 0 and hires.resize_y == 0 else "hr_resize_x"
        message = f"ensure the second pass has {SMALLEST_SIDE} to {longest_side} pixels a side"
        raise InvalidRequest([Problem(("body", field), message, "value_error")])


def from_img2img(request: StableDiffusionProcessingImg2Img, snapshot: Snapshot, limits: Limits) -> Draft:
    """An img2img request body as a Draft. ApiError 404 without init images, 500 for undecodable ones."""
    if request.init_images is None:
        raise ApiError(404, "Init image not found")
    if not request.init_images:
        raise InvalidRequest(
            [Problem(("body", "init_images"), "ensure this value has at least 1 items", "value_error")]
        )
    fields = _common(request, snapshot, limits)
    fields["denoising_strength"] = _or(request.denoising_strength, 0.75)
    mask = None if not request.mask else wire.decode(request.mask, limits.pictures)
    blur = request.mask_blur
    picture = PictureDraft(
        init_images=tuple(wire.decode(text, limits.pictures) for text in request.init_images),
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
    sampler, scheduler = resolve(request.sampler_name or request.sampler_index or "Euler", request.scheduler)
    fields: dict[str, Any] = {
        "prompt": _or(request.prompt, ""),
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
    }
    _check(fields, limits.longest_side)
    return fields


def _check(fields: dict[str, Any], longest_side: int) -> None:
    """Refuse sizes and counts the original crashes on or runs out of memory with."""
    lowest = {"width": SMALLEST_SIDE, "height": SMALLEST_SIDE, "batch_size": 1, "n_iter": 1, "steps": 1}
    highest = MOST | {"width": longest_side, "height": longest_side}
    problems = [
        Problem(
            ("body", name),
            f"ensure this value is greater than or equal to {least}",
            "value_error.number.not_ge",
        )
        for name, least in lowest.items()
        if fields[name] < least
    ] + [
        Problem(
            ("body", name), f"ensure this value is less than or equal to {most}", "value_error.number.not_le"
        )
        for name, most in highest.items()
        if fields[name] > most
    ]
    if problems:
        raise InvalidRequest(problems)


def _or(value: Any, default: Any) -> Any:
    """The default for null: the original crashes on most nulls, nobody depends on that."""
    return default if value is None else value
