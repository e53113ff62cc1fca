"""The picture side of img2img: masks, sources and overlays prepared, and what the infotext says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from sdapi_compat.errors import Fault
from sdapi_compat.imaging.prepare import ImageSettings, MaskSettings, prepare_image, prepare_mask
from sdapi_compat.imaging.resize import LATENT
from sdapi_compat.imaging.upscalers import UpscalerList
from sdapi_compat.imaging.wire import Pixels
from sdapi_compat.plan.plan import Source

if TYPE_CHECKING:
    from sdapi_compat.imaging.prepare import InpaintGeometry, PreparedImage
    from sdapi_compat.options.snapshot import Snapshot
    from sdapi_compat.plan.draft import Draft, PictureDraft

KEEP_ORIGINAL = 1
FULL_VAE = "Full"
LATENT_FILLS = (2, 3)
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
    return PicturePlan(source, _extra(draft, picture, geometry, snapshot))


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
    geometry = prepare_mask(picture.mask, settings)
    if geometry is None or picture.latent_mask is None:
        return geometry
    return msgspec.structs.replace(geometry, latent_mask=Pixels.from_pil(picture.latent_mask))


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
    kept = picture.init_images if snapshot.flag("save_init_img") else ()
    return Source(
        inputs=tuple(Pixels.from_pil(image) for image in kept),
        pictures=tuple(one.image for one in prepared),
        denoising_strength=draft.denoising_strength or 0.0,
        noise_multiplier=snapshot.number("initial_noise_multiplier") if multiplier is None else multiplier,
        extra_noise=snapshot.number("img2img_extra_noise"),
        resize_latent=picture.resize_mode == LATENT,
        mask=None if geometry is None else geometry.mask,
        latent_mask=None if geometry is None else geometry.latent_mask,
        mask_round=picture.mask_round,
        fill=picture.inpainting_fill if geometry is not None else KEEP_ORIGINAL,
        originals=tuple(one.original for one in prepared if one.original is not None),
        overlays=tuple(one.overlay for one in prepared if one.overlay is not None and shown),
        overlay_masks=tuple(one.overlay_mask for one in prepared if one.overlay_mask is not None),
        paste_to=None if geometry is None else geometry.paste_to,
        color_correction=snapshot.flag("img2img_color_correction"),
        color_target=None if picture.color_target is None else Pixels.from_pil(picture.color_target),
        upscaler=snapshot.text("upscaler_for_img2img") or None,
    )


def _extra(
    draft: Draft, picture: PictureDraft, geometry: InpaintGeometry | None, snapshot: Snapshot
) -> dict[str, Any]:
    extra: dict[str, Any] = {"Denoising strength": draft.denoising_strength}
    if picture.mask is not None:
        extra |= _mask_extra(picture, geometry)
    encoder = snapshot.text("sd_vae_encode_method")
    if encoder != FULL_VAE:
        # Latents are filled after they were encoded, pixels before.
        late = extra.pop("Masked content", None) if picture.inpainting_fill in LATENT_FILLS else None
        extra |= {"VAE Encoder": encoder} | ({"Masked content": late} if late else {})
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
