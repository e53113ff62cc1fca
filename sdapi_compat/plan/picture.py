"""The picture side of img2img: masks, sources and overlays prepared, and what the infotext says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sdapi_compat.errors import Fault
from sdapi_compat.imaging.prepare import ImageSettings, MaskSettings, prepare_image, prepare_mask
from sdapi_compat.imaging.resize import LATENT
from sdapi_compat.imaging.upscalers import UpscalerList
from sdapi_compat.plan.plan import Source

if TYPE_CHECKING:
    from sdapi_compat.imaging.prepare import InpaintGeometry, PreparedImage
    from sdapi_compat.options.snapshot import Snapshot
    from sdapi_compat.plan.draft import Draft, PictureDraft

KEEP_ORIGINAL = 1
FILL_NAMES = {0: "fill", 2: "latent noise", 3: "latent nothing"}


class PicturePlan(NamedTuple):
    """The prepared pictures, and infotext pairs in the original's order."""

    source: Source
    extra: dict[str, Any]


def plan_picture(draft: Draft, picture: PictureDraft, snapshot: Snapshot) -> PicturePlan:
    """A1111 1.10.1 behaviour: mask, then each init image, then the pairs of the infotext.

    Raises Fault "RuntimeError" for more init images than fit in a batch.
    """
    if len(picture.init_images) > max(draft.batch_size, 1):
        raise Fault(
            "RuntimeError", f"bad number of images passed: {len(picture.init_images)}; expecting 1 or less"
        )
    upscaler = UpscalerList().for_resize(snapshot.text("upscaler_for_img2img") or None)
    geometry = _geometry(draft, picture)
    prepared = [
        prepare_image(image, _settings(draft, picture, snapshot), geometry, upscaler)
        for image in picture.init_images
    ]
    source = _source(draft, picture, snapshot, geometry, prepared)
    return PicturePlan(source, _extra(draft, picture, source, geometry))


def _geometry(draft: Draft, picture: PictureDraft) -> InpaintGeometry | None:
    if picture.mask is None:
        return None
    settings = MaskSettings(
        width=draft.width,
        height=draft.height,
        resize_mode=picture.resize_mode,
        inverted=picture.invert,
        blur_x=picture.mask_blur_x,
        blur_y=picture.mask_blur_y,
        rounded=picture.mask_round,
        only_masked=picture.full_res,
        padding=picture.full_res_padding,
    )
    return prepare_mask(picture.mask, settings)


def _settings(draft: Draft, picture: PictureDraft, snapshot: Snapshot) -> ImageSettings:
    return ImageSettings(
        width=draft.width,
        height=draft.height,
        resize_mode=picture.resize_mode,
        background=snapshot.text("img2img_background_color"),
        inpainting_fill=picture.inpainting_fill,
    )


def _source(
    draft: Draft,
    picture: PictureDraft,
    snapshot: Snapshot,
    geometry: InpaintGeometry | None,
    prepared: list[PreparedImage],
) -> Source:
    multiplier = picture.noise_multiplier
    shown = snapshot.flag("overlay_inpaint")
    return Source(
        pictures=tuple(one.image for one in prepared),
        denoising_strength=draft.denoising_strength or 0.0,
        noise_multiplier=snapshot.number("initial_noise_multiplier") if multiplier is None else multiplier,
        extra_noise=snapshot.number("img2img_extra_noise"),
        resize_latent=picture.resize_mode == LATENT,
        mask=None if geometry is None else geometry.mask,
        mask_round=picture.mask_round,
        fill=picture.inpainting_fill if geometry is not None else KEEP_ORIGINAL,
        overlays=tuple(one.overlay for one in prepared if one.overlay is not None and shown),
        overlay_masks=tuple(one.overlay_mask for one in prepared if one.overlay_mask is not None),
        paste_to=None if geometry is None else geometry.paste_to,
        color_correction=snapshot.flag("img2img_color_correction"),
        upscaler=snapshot.text("upscaler_for_img2img") or None,
    )


def _extra(
    draft: Draft, picture: PictureDraft, source: Source, geometry: InpaintGeometry | None
) -> dict[str, Any]:
    extra: dict[str, Any] = {"Denoising strength": draft.denoising_strength}
    if picture.mask is not None:
        extra |= _mask_extra(picture, geometry)
    if source.noise_multiplier != 1.0:
        extra["Noise multiplier"] = source.noise_multiplier
    if source.extra_noise > 0:
        extra["Extra noise"] = source.extra_noise
    return extra


def _mask_extra(picture: PictureDraft, geometry: InpaintGeometry | None) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    if picture.invert:
        extra["Mask mode"] = "Inpaint not masked"
    if picture.mask_blur_x > 0 or picture.mask_blur_y > 0:
        same = picture.mask_blur_x == picture.mask_blur_y
        extra["Mask blur"] = picture.mask_blur_x if same else None
    if geometry is None:
        return extra
    if geometry.crop is not None:
        extra["Inpaint area"] = "Only masked"
        extra["Masked area padding"] = picture.full_res_padding
    if picture.inpainting_fill in FILL_NAMES:
        extra["Masked content"] = FILL_NAMES[picture.inpainting_fill]
    return extra
