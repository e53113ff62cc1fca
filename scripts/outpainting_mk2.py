"""Outpainting mk2: the picture grows side by side, into noise shaped like the picture itself."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec
from PIL import Image

from sdapi_compat.imaging import grid, outpaint, shaped_noise
from sdapi_compat.imaging.prepare import flatten
from sdapi_compat.scripting import Draft, Keep, Outcome, Picture, Script, World, argument, refused

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

PIXELS_PLACE, BLUR_PLACE, FALLOFF_PLACE, COLOUR_PLACE = 1, 2, 4, 5
# Of the fall-off and the colour variation, either side of 0.
MOST = 100
# The noise is made with some hundred bytes per pixel.
MOST_CELLS = 4096 * 4096
ADVICE = (
    '<p style="margin-bottom:0.75em">Recommended settings: Sampling Steps: 80-100, Sampler: Euler a, '
    "Denoising strength: 0.8</p>"
)


class Mk2Arguments(msgspec.Struct):
    """As in A1111 1.10.1, in this order; the first is a text for its page."""

    info: Annotated[Any, argument("")] = ADVICE
    pixels: Annotated[int, argument("Pixels to expand", minimum=8, maximum=256, step=8)] = 128
    mask_blur: Annotated[int, argument("Mask blur", minimum=0, maximum=64, step=1)] = 8
    direction: Annotated[tuple[str, ...], argument("Outpainting direction", choices=outpaint.DIRECTIONS)] = (
        outpaint.DIRECTIONS
    )
    noise_q: Annotated[
        float, argument("Fall-off exponent (lower=higher detail)", minimum=0, maximum=4, step=0.01)
    ] = 1.0
    color_variation: Annotated[float, argument("Color variation", minimum=0, maximum=1, step=0.01)] = 0.05


class Growth(NamedTuple):
    """One side at which a picture of `size` grows by `pixels`, with (x, y) of the mask's blur."""

    side: str
    size: tuple[int, int]
    pixels: int
    blur: tuple[int, int]

    @property
    def across(self) -> bool:
        return self.side in ("left", "right")

    @property
    def grown(self) -> tuple[int, int]:
        """(width, height) of the result."""
        width, height = self.size
        return (width + self.pixels, height) if self.across else (width, height + self.pixels)

    @property
    def canvas(self) -> tuple[int, int]:
        """`grown`, rounded up to a multiple of 64."""
        width, height = (math.ceil(side / outpaint.STEP) * outpaint.STEP for side in self.grown)
        return width, height

    def window(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """The part of the canvas to be inpainted: at most as long as `size`, at the side that is new."""
        (width, height), (full_width, full_height) = self.canvas, self.grown
        if self.across:
            width = min(size[0], full_width)
        else:
            height = min(size[1], full_height)
        left = 0 if self.side == "left" else self.canvas[0] - width
        top = 0 if self.side == "up" else self.canvas[1] - height
        return left, top, left + width, top + height

    def new_area(self, size: tuple[int, int], inset: int) -> Image.Image:
        """White where a picture of `size` is new, and `inset` times the blur into the old."""
        x, y = (self.pixels + inset * blur for blur in self.blur)
        near = max(x, self.pixels + 1), max(y, self.pixels + 1)
        kept = (
            x if self.side == "left" else 0,
            y if self.side == "up" else 0,
            size[0] - near[0] if self.side == "right" else self.grown[0],
            size[1] - near[1] if self.side == "down" else self.grown[1],
        )
        return outpaint.new_area(size, kept)


class Work(NamedTuple):
    """The picture, the sides at which it grows, and what the noise there is like."""

    source: Image.Image
    steps: list[Growth]
    falloff: float
    colours: float


class OutpaintingMk2(Script):
    """All pictures of all batches, and their grid in front when there are several."""

    title = "Outpainting mk2"
    kinds = frozenset({"img2img"})
    Arguments = Mk2Arguments

    def prepare(self, draft: Draft, arguments: Mk2Arguments, world: World) -> Work:
        """Raises InvalidRequest for what the picture cannot be grown by."""
        if not 0 <= arguments.mask_blur <= outpaint.MOST_PIXELS:
            raise refused(f"the mask blur must be 0 to {outpaint.MOST_PIXELS}", BLUR_PLACE)
        for place, value in ((FALLOFF_PLACE, arguments.noise_q), (COLOUR_PLACE, arguments.color_variation)):
            if not -MOST <= value <= MOST:
                raise refused(f"ensure the number is between -{MOST} and {MOST}", place)
        assert draft.picture is not None
        source = flatten(draft.picture.init_images[0], draft.options.text("img2img_background_color"))
        steps = growths(source.size, arguments)
        if math.prod(steps[-1].canvas) > MOST_CELLS:
            raise refused(f"ensure the large picture has up to {MOST_CELLS} pixels", PIXELS_PLACE)
        return Work(source, steps, arguments.noise_q, arguments.color_variation)

    def parts(self, draft: Draft, arguments: Work) -> list[int]:
        return [1] * (draft.n_iter * len(arguments.steps))

    def run(self, draft: Draft, arguments: Work) -> Generator[Draft, Outcome, Outcome]:
        """Every batch has seeds of its own; all sides of a picture have the same."""
        draft = draft.with_fixed_seeds().change(grid=False)
        seed = draft.fixed_seed()
        outcomes: list[Outcome] = []
        finished: list[Image.Image] = []
        for number in range(draft.n_iter):
            images = [arguments.source] * draft.batch_size
            part = draft.change(
                n_iter=1,
                seed=seed + number * draft.batch_size,
                save_images=False,
                title=f"Batch {number + 1} out of {draft.n_iter}",
            )
            for growth in arguments.steps:
                noisy = [noised(image, growth, arguments) for image in images]
                outcome = yield inpainting(part, growth, noisy)
                outcomes.append(outcome)
                # An interrupted job ends with what has grown so far.
                if not outcome.pictures:
                    break
                images = joined(noisy, growth, outcome)
            finished += images
        return put_together(draft.change(n_iter=1, batch_size=1, seed=seed), finished, outcomes[0])


def growths(size: tuple[int, int], arguments: Mk2Arguments) -> list[Growth]:
    """The sides to grow at, in order, each from the size that the one before leaves."""
    margins = outpaint.margins(size, arguments.pixels, arguments.direction)
    x = arguments.mask_blur if margins.left or margins.right else 0
    y = arguments.mask_blur if margins.up or margins.down else 0
    found = []
    for side, pixels in zip(outpaint.DIRECTIONS, margins, strict=True):
        if pixels > 0:
            found.append(Growth(side, size, pixels, (x, y)))
            size = found[-1].grown
    return found


def noised(image: Image.Image, growth: Growth, work: Work) -> Image.Image:
    """The picture on its larger canvas, noise that goes on from it around."""
    canvas = Image.new("RGB", growth.canvas)
    canvas.paste(
        image,
        (growth.pixels if growth.side == "left" else 0, growth.pixels if growth.side == "up" else 0),
    )
    new = growth.new_area(growth.canvas, 1)
    return shaped_noise.continued(canvas, new, work.falloff, work.colours)


def inpainting(part: Draft, growth: Growth, noisy: Sequence[Image.Image]) -> Draft:
    """The pictures' new side as one batch. Latents are painted one blur further into the old than pixels."""
    assert part.picture is not None
    window = growth.window((part.width, part.height))
    size = window[2] - window[0], window[3] - window[1]
    picture = msgspec.structs.replace(
        part.picture,
        init_images=tuple(image.crop(window) for image in noisy),
        mask=growth.new_area(growth.canvas, 1).crop(window),
        latent_mask=growth.new_area(size, 2),
        mask_blur_x=4 * growth.blur[0],
        mask_blur_y=4 * growth.blur[1],
        inpainting_fill=1,
        full_res=False,
        invert=False,
    )
    return part.change(picture=picture, width=size[0], height=size[1])


def joined(noisy: Sequence[Image.Image], growth: Growth, outcome: Outcome) -> list[Image.Image]:
    """The canvases with what was made of them, cut to what they were to grow to."""
    # With masks returned, each picture is followed by as many of them.
    apart = len(outcome.pictures) // len(noisy)
    finished = []
    for image, picture in zip(noisy, outcome.pictures[::apart], strict=True):
        made = picture.image
        left = 0 if growth.side == "left" else image.width - made.width
        top = 0 if growth.side == "up" else image.height - made.height
        canvas = image.copy()
        canvas.paste(made, (left, top))
        finished.append(canvas.crop((0, 0, *growth.grown)))
    return finished


def put_together(draft: Draft, images: Sequence[Image.Image], first: Outcome) -> Outcome:
    """All pictures under infotext and info of the first part, their grid in front when there are several."""
    infotext = first.infotexts[0]
    embedded = first.pictures[0].infotext if first.pictures else None
    pictures = [Picture(image, embedded) for image in images]
    keep = [Keep(Picture(image, infotext), draft) for image in images]
    options = draft.options
    if len(images) > 1 or not options.flag("grid_only_if_multiple"):
        rule = grid.GridRule(options.integer("n_rows"), 1, options.flag("grid_prevent_empty_spots"))
        rows = grid.row_count(len(images), rule)
        sheet = grid.make(images, rows, options.text("grid_background_color"))
        keep.append(Keep(Picture(sheet, infotext), draft, "grid"))
        if options.flag("return_grid"):
            pictures.insert(0, Picture(sheet, embedded))
    infotexts = [infotext] * len(pictures)
    return Outcome(pictures, infotexts, first.info | {"infotexts": infotexts}, keep)


SCRIPT = OutpaintingMk2()
