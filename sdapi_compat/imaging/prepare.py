"""What an img2img request's pictures become before they are encoded: mask, source picture, overlay."""

from __future__ import annotations

import msgspec
from PIL import Image

from sdapi_compat.imaging import masks, overlay
from sdapi_compat.imaging.crop import Box, grow_to_aspect, padded_bounds
from sdapi_compat.imaging.fill import fill
from sdapi_compat.imaging.resize import FILL, LATENT, resize
from sdapi_compat.imaging.upscalers import Upscaler
from sdapi_compat.imaging.wire import Pixels

KEEP_ORIGINAL = 1


class MaskSettings(msgspec.Struct, frozen=True):
    """The mask fields of an img2img request; width and height are the job's."""

    width: int
    height: int
    resize_mode: int = 0
    inverted: bool = False
    blur_x: float = 4
    blur_y: float = 4
    rounded: bool = True
    only_masked: bool = True
    padding: int = 0


class InpaintGeometry(msgspec.Struct, frozen=True):
    """A prepared mask.

    `mask` has the job's size and is what latents and inpainting models see; `overlay_mask` says what of the
    source picture is laid back over the result; `crop` is the region worked on, in source pixels (None =
    all of it); `latent_mask` is what latents see, and what is filled, where that is not `mask`.
    """

    mask: Pixels
    overlay_mask: Pixels
    crop: Box | None = None
    latent_mask: Pixels | None = None

    @property
    def paste_to(self) -> tuple[int, int, int, int] | None:
        """Where the result goes in the source picture: (x, y, width, height)."""
        return None if self.crop is None else self.crop.paste_to


class ImageSettings(msgspec.Struct, frozen=True):
    """How a source picture is prepared; `inpainting_fill` matters only with a mask."""

    width: int
    height: int
    resize_mode: int = 0
    background: str = "#ffffff"
    inpainting_fill: int = KEEP_ORIGINAL


class PreparedImage(msgspec.Struct, frozen=True):
    """A source picture ready for the encoder.

    `image`: RGB, what is encoded (and what colour correction matches); `overlay`: RGBA, None without a mask;
    `overlay_mask`: the mask as fitted to this picture; `original`: RGB, what the overlay is cut from.
    """

    image: Pixels
    overlay: Pixels | None = None
    overlay_mask: Pixels | None = None
    original: Pixels | None = None


def prepare_mask(image: Image.Image, settings: MaskSettings) -> InpaintGeometry | None:
    """The mask of a request; None when "only masked" finds nothing to paint (then it is plain img2img).

    A1111 1.10.1 behaviour, in its order: alpha or luminance, invert, blur x, blur y, then crop or resize.
    """
    mask = masks.to_mask(image, rounded=settings.rounded)
    if settings.inverted:
        mask = masks.invert(mask)
    mask = masks.blur(mask, settings.blur_x, settings.blur_y)
    size = settings.width, settings.height
    if not settings.only_masked:
        fitted = resize(settings.resize_mode, mask, *size)
        return InpaintGeometry(Pixels.from_pil(fitted), Pixels.from_pil(masks.doubled(fitted)))
    bounds = padded_bounds(mask, settings.padding)
    if bounds is None:
        return None
    crop = grow_to_aspect(bounds, size, mask.size)
    fitted = resize(FILL, mask.crop(crop), *size)
    return InpaintGeometry(Pixels.from_pil(fitted), Pixels.from_pil(mask), crop)


def prepare_image(
    image: Image.Image,
    settings: ImageSettings,
    inpaint: InpaintGeometry | None = None,
    upscaler: Upscaler | None = None,
) -> PreparedImage:
    """A source picture made ready for the encoder, and its overlay.

    A1111 1.10.1 behaviour: transparency is flattened, the picture resized (unless cropping or resize mode
    3), the overlay cut from it, the crop taken and resized, the masked area filled for every
    inpainting_fill but 1.
    """
    picture = flatten(image, settings.background)
    size = settings.width, settings.height
    cropped = inpaint is not None and inpaint.crop is not None
    if not cropped and settings.resize_mode != LATENT:
        picture = resize(settings.resize_mode, picture, *size, upscaler)
    if inpaint is None:
        return PreparedImage(Pixels.from_pil(picture))
    overlay_mask = _fitted(inpaint.overlay_mask, picture.size, settings.resize_mode)
    kept = overlay.build(picture, overlay_mask)
    original = encoded = Pixels.from_pil(picture)
    if inpaint.crop is not None:
        picture = resize(FILL, picture.crop(inpaint.crop), *size, upscaler)
    if settings.inpainting_fill != KEEP_ORIGINAL:
        where = inpaint.latent_mask or inpaint.mask
        picture = fill(picture, _fitted(where, picture.size, settings.resize_mode))
    if cropped or settings.inpainting_fill != KEEP_ORIGINAL:
        encoded = Pixels.from_pil(picture)
    return PreparedImage(encoded, Pixels.from_pil(kept), Pixels.from_pil(overlay_mask), original)


def flatten(image: Image.Image, background: str) -> Image.Image:
    """RGB; what is transparent in an RGBA picture shows the background colour (CSS name or #rrggbb)."""
    if image.mode == "RGBA":
        canvas = Image.new("RGBA", image.size, background)
        canvas.paste(image, mask=image)
        image = canvas
    return image.convert("RGB")


def _fitted(mask: Pixels, size: tuple[int, int], resize_mode: int) -> Image.Image:
    picture = mask.to_pil()
    return picture if picture.size == size else resize(resize_mode, picture, *size)
