"""SD upscale: a picture is enlarged, cut into overlapping tiles, and img2img adds detail to each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec

from sdapi_compat.errors import Fault
from sdapi_compat.imaging import tiles
from sdapi_compat.imaging.prepare import flatten
from sdapi_compat.imaging.upscalers import NONE, Upscaler, UpscalerList, upscale
from sdapi_compat.scripting import Draft, Keep, Outcome, Picture, Script, World, argument, refused

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from PIL import Image

INFO = (
    '<p style="margin-bottom:0.75em">Will upscale the image by the selected scale factor; '
    "use width and height sliders to set tile size</p>"
)
UPSCALERS = tuple(upscaler.name for upscaler in UpscalerList())
MOST_TILES = 10_000
OVERLAP_PLACE, SCALE_PLACE = 1, 3


class UpscaleArguments(msgspec.Struct):
    """As in A1111 1.10.1, in this order; the first is a text for its page."""

    info: Annotated[Any, argument("")] = INFO
    overlap: Annotated[int, argument("Tile overlap", minimum=0, maximum=256, step=16)] = 64
    upscaler: Annotated[int | str, argument("Upscaler", choices=UPSCALERS)] = NONE.name
    scale: Annotated[float, argument("Scale Factor", minimum=1.0, maximum=4.0, step=0.05)] = 2.0


class Upscaling(NamedTuple):
    """The enlarged picture in tiles, and what the infotext says of it."""

    grid: tiles.TileGrid
    extra: dict[str, Any]


class SdUpscale(Script):
    """One large picture for each of `n_iter`; `batch_size` is how many tiles are made at a time."""

    title = "SD upscale"
    kinds = frozenset({"img2img"})
    Arguments = UpscaleArguments

    def prepare(self, draft: Draft, arguments: UpscaleArguments, world: World) -> Upscaling:
        """Raises Fault "ValueError" for an unknown upscaler, InvalidRequest for too many tiles or pixels."""
        assert draft.picture is not None
        upscaler = find(arguments.upscaler)
        source = flatten(draft.picture.init_images[0], draft.options.text("img2img_background_color"))
        factor = 1.0 if upscaler is NONE else arguments.scale
        check(draft, arguments.overlap, (source.width * factor, source.height * factor))
        enlarged = source if upscaler is NONE else upscale(upscaler, source, factor)
        extra = {"SD upscale overlap": arguments.overlap, "SD upscale upscaler": upscaler.name}
        return Upscaling(tiles.split(enlarged, (draft.width, draft.height), arguments.overlap), extra)

    def parts(self, draft: Draft, arguments: Upscaling) -> list[int]:
        return [1] * (len(batches(arguments.grid, draft.batch_size)) * draft.n_iter)

    def run(self, draft: Draft, arguments: Upscaling) -> Generator[Draft, Outcome, Outcome]:
        """The infotext is that of the first tile."""
        draft = draft.with_fixed_seeds().change(extra=draft.extra | arguments.extra)
        # Masks would be taken for tiles.
        draft = draft.with_options({"return_mask": False, "return_mask_composite": False})
        first_seed = draft.fixed_seed()
        chunks = batches(arguments.grid, draft.batch_size)
        made: list[Outcome] = []
        large: list[Image.Image] = []
        for turn in range(draft.n_iter):
            seed = first_seed + turn
            pieces: list[Image.Image] = []
            for chunk in chunks:
                title = f"Batch {len(made) + 1} out of {len(chunks) * draft.n_iter}"
                outcome = yield part(draft, chunk).change(seed=seed, title=title)
                made.append(outcome)
                pieces += [picture.image for picture in outcome.pictures]
                # A1111 1.10.1 behaviour: one more than the first of the batch, not than the last.
                seed += 1
            large.append(tiles.combine(filled(arguments.grid, pieces)))
        infotext = made[0].infotexts[0]
        embedded = made[0].pictures[0].infotext if made[0].pictures else None
        pictures = [Picture(image, embedded) for image in large]
        info = made[-1].info | {"seed": first_seed, "subseed": -1, "infotexts": [infotext] * len(pictures)}
        keep = [
            Keep(
                Picture(image, infotext),
                part(draft, (image,)).change(seed=first_seed + turn, save_images=True),
            )
            for turn, image in enumerate(large)
        ]
        return Outcome(pictures, info["infotexts"], info, keep)


def find(wanted: int | str) -> Upscaler:
    """The upscaler by its place in the list, or by its name in any case."""
    for number, upscaler in enumerate(UpscalerList()):
        if wanted in (number, str(number)) or str(wanted).lower() == upscaler.name.lower():
            return upscaler
    raise Fault("ValueError", f"could not find upscaler named {wanted}")


def check(draft: Draft, overlap: int, size: tuple[float, float]) -> None:
    """Refuse what would fill the memory before the first tile is made."""
    most = draft.options.number("img_max_size_mp")
    if not (min(size) > 0 and size[0] * size[1] <= most * 1_000_000):
        raise refused(f"ensure the large picture has up to {most:g} megapixels", SCALE_PLACE)
    if not 0 <= overlap < min(draft.width, draft.height):
        raise refused("ensure the overlap is smaller than both sides of a tile", OVERLAP_PLACE)
    counts = [
        math.ceil(max(1, side - overlap) / (tile - overlap))
        for side, tile in zip(size, (draft.width, draft.height), strict=True)
    ]
    if counts[0] * counts[1] > MOST_TILES:
        raise refused(f"ensure there are at most {MOST_TILES} tiles", OVERLAP_PLACE)


def batches(grid: tiles.TileGrid, size: int) -> list[tuple[Image.Image, ...]]:
    """The tiles in reading order, so many at a time."""
    return [tuple(grid.images[start : start + size]) for start in range(0, len(grid.images), size)]


def part(draft: Draft, images: tuple[Image.Image, ...]) -> Draft:
    """One batch of tiles, which are no pictures to be kept."""
    assert draft.picture is not None
    picture = msgspec.structs.replace(draft.picture, init_images=images)
    return draft.change(picture=picture, n_iter=1, grid=False, save_images=False)


def filled(grid: tiles.TileGrid, pieces: Iterable[Image.Image]) -> tiles.TileGrid:
    """The grid with the pieces made; what an interrupted job did not come to shows the enlarged picture."""
    fresh = list(pieces)
    return grid.with_images([*fresh, *grid.images[len(fresh) :]][: len(grid.images)])


SCRIPT = SdUpscale()
