"""Poor man's outpainting: the picture grows, and the tiles at its new edges are inpainted one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec
from PIL import Image

from sdapi_compat.imaging import outpaint, tiles
from sdapi_compat.imaging.prepare import flatten
from sdapi_compat.scripting import Draft, Keep, Outcome, Picture, Script, World, argument, refused

if TYPE_CHECKING:
    from collections.abc import Generator

FILLS = ("fill", "original", "latent noise", "latent nothing")
MOST_TILES = 10_000
PIXELS_PLACE, BLUR_PLACE, FILL_PLACE = 0, 1, 2


class OutpaintingArguments(msgspec.Struct):
    """As in A1111 1.10.1, in this order. `inpainting_fill`: a number, or its name."""

    pixels: Annotated[int, argument("Pixels to expand", minimum=8, maximum=256, step=8)] = 128
    mask_blur: Annotated[int, argument("Mask blur", minimum=0, maximum=64, step=1)] = 4
    inpainting_fill: Annotated[int | str, argument("Masked content", choices=FILLS)] = "fill"
    direction: Annotated[tuple[str, ...], argument("Outpainting direction", choices=outpaint.DIRECTIONS)] = (
        outpaint.DIRECTIONS
    )

    def fill(self) -> int:
        """The field inpainting_fill. Raises InvalidRequest for one that does not exist."""
        for number, name in enumerate(FILLS):
            if self.inpainting_fill in (number, str(number), name):
                return number
        raise refused(f"masked content must be one of {', '.join(FILLS)}, or its number", FILL_PLACE)


class Canvas(NamedTuple):
    """The grown picture and what of it is new for pixels and for latents, cut into tiles; which are to do."""

    picture: tiles.TileGrid
    mask: tiles.TileGrid
    latent_mask: tiles.TileGrid
    new: list[bool]
    blur: int
    fill: int


class PoorMansOutpainting(Script):
    """One picture, whatever the batch size; every tile has the request's width and height."""

    title = "Poor man's outpainting"
    kinds = frozenset({"img2img"})
    Arguments = OutpaintingArguments

    def prepare(self, draft: Draft, arguments: OutpaintingArguments, world: World) -> Canvas:
        """Raises InvalidRequest for what the picture cannot be grown by."""
        assert draft.picture is not None
        source = flatten(draft.picture.init_images[0], draft.options.text("img2img_background_color"))
        grow = outpaint.margins(source.size, arguments.pixels, arguments.direction)
        shape, size = (draft.width, draft.height), grow.grown(source.size)
        if not 0 <= arguments.mask_blur <= outpaint.MOST_PIXELS:
            raise refused(f"the mask blur must be 0 to {outpaint.MOST_PIXELS}", BLUR_PLACE)
        if arguments.pixels >= min(shape):
            raise refused("width and height must be more than the pixels to expand", PIXELS_PLACE)
        if tiles.count(size, shape, arguments.pixels) > MOST_TILES:
            raise refused(f"ensure there are at most {MOST_TILES} tiles", PIXELS_PLACE)
        return canvas(source, grow, shape, arguments)

    def parts(self, draft: Draft, arguments: Canvas) -> list[int]:
        return [1] * sum(arguments.new)

    def run(self, draft: Draft, arguments: Canvas) -> Generator[Draft, Outcome, Outcome]:
        """The infotext is that of the first tile. Seeds count up from tile to tile."""
        draft = draft.with_fixed_seeds().change(batch_size=1, n_iter=1, grid=False)
        seed = draft.fixed_seed()
        made: list[Outcome] = []
        finished = []
        for place, image in enumerate(arguments.picture.images):
            if arguments.new[place]:
                title = f"Batch {len(made) + 1} out of {sum(arguments.new)}"
                part = tile(draft, arguments, place).change(seed=seed + len(made), title=title)
                outcome = yield part
                made.append(outcome)
                # Nothing comes of an interrupted part; sides that are no multiple of 8 come back cut.
                image = image.copy()
                for picture in outcome.pictures[:1]:
                    image.paste(picture.image, (0, 0))
            finished.append(image)
        result = tiles.combine(arguments.picture.with_images(finished))
        infotext = made[0].infotexts[0]
        embedded = made[0].pictures[0].infotext if made[0].pictures else None
        keep = [Keep(Picture(result, infotext), draft.change(seed=seed))]
        return Outcome(
            [Picture(result, embedded)], [infotext], made[0].info | {"infotexts": [infotext]}, keep
        )


def tile(draft: Draft, work: Canvas, place: int) -> Draft:
    """One tile to be inpainted, which is no picture to be kept."""
    assert draft.picture is not None
    picture = msgspec.structs.replace(
        draft.picture,
        init_images=(work.picture.images[place],),
        mask=work.mask.images[place],
        latent_mask=work.latent_mask.images[place],
        mask_blur_x=work.blur,
        mask_blur_y=work.blur,
        inpainting_fill=work.fill,
        full_res=False,
        invert=False,
    )
    return draft.change(picture=picture, save_images=False)


def canvas(
    source: Image.Image, grow: outpaint.Margins, shape: tuple[int, int], arguments: OutpaintingArguments
) -> Canvas:
    """The work to be done. Pixels are painted twice the blur into the old picture, latents half of it."""
    size = grow.grown(source.size)
    picture = Image.new("RGB", size)
    picture.paste(source, (grow.left, grow.up))
    cut = tiles.split(picture, shape, arguments.pixels)
    mask, latent_mask = (
        tiles.split(outpaint.new_area(size, kept(size, grow, inset)), shape, arguments.pixels)
        for inset in (2 * arguments.mask_blur, arguments.mask_blur // 2)
    )
    new = [
        piece.x < grow.left
        or piece.y < grow.up
        or piece.x + shape[0] > size[0] - grow.right
        or piece.y + shape[1] > size[1] - grow.down
        for row in cut.rows
        for piece in row
    ]
    return Canvas(cut, mask, latent_mask, new, 2 * arguments.mask_blur, arguments.fill())


def kept(size: tuple[int, int], grow: outpaint.Margins, inset: int) -> tuple[int, int, int, int]:
    """The old picture's rectangle, its corners included, moved in by `inset` where the picture grows."""
    far = max(1, inset)
    return (
        grow.left + (inset if grow.left else 0),
        grow.up + (inset if grow.up else 0),
        size[0] - grow.right - (far if grow.right else 0),
        size[1] - grow.down - (far if grow.down else 0),
    )


SCRIPT = PoorMansOutpainting()
