"""The pictures of an X/Y/Z plot, put together: grids with legends, infotexts, what `info` says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from PIL import Image

from sdapi_compat.imaging import grid
from sdapi_compat.imaging.captions import Caption, Captions, annotate
from sdapi_compat.scripting import Draft, Keep, Outcome, Picture, extended, legend_style

if TYPE_CHECKING:
    from collections.abc import Sequence

FILE_NAME = "xyz_grid"


class Place(NamedTuple):
    """A cell, counted from 0 along each axis; also the shape of the whole."""

    x: int
    y: int
    z: int


class Look(NamedTuple):
    """What is shown. `captions`: the legends of x, y and z. `pairs`: infotext of the grids of each z value,
    `main_pairs` of all. `cells`, `sub_grids`: whether they are wanted besides the main grid."""

    captions: tuple[list[str], list[str], list[str]]
    pairs: dict[str, str]
    main_pairs: dict[str, str]
    legend: bool
    margin: int
    cells: bool
    sub_grids: bool


class Board:
    """Collects what was made for each cell of one plot."""

    def __init__(self, shape: Place, draft: Draft) -> None:
        self._shape = shape
        self._draft = draft
        count = shape.x * shape.y * shape.z
        self._outcomes: list[Outcome | None] = [None] * count
        self._prompts: list[str | None] = [None] * count
        self._last: Outcome | None = None
        self._error: Exception | None = None
        # A colour that is none should be told before anything is made.
        self._style = legend_style(draft.options)

    def number(self, place: Place) -> int:
        """Which cell it is, row by row and grid by grid."""
        return place.x + (place.y + place.z * self._shape.y) * self._shape.x

    def put(self, place: Place, draft: Draft, outcome: Outcome) -> None:
        """What came of a cell's draft; nothing, if the job was interrupted before."""
        self._last = outcome
        if outcome.pictures:
            self._outcomes[self.number(place)] = outcome
            self._prompts[self.number(place)] = str(draft.prompt)

    def failed(self, error: Exception) -> None:
        """A cell failed."""
        self._error = self._error or error

    def outcome(self, look: Look) -> Outcome:
        """The whole. Raises the first failure when there is no picture at all."""
        first = next((outcome for outcome in self._outcomes if outcome is not None), None)
        if first is None:
            if self._error is not None:
                raise self._error
            assert self._last is not None
            return self._last
        cells = self._cells(first)
        grids = [self._grid(images, look) for images in self._by_grid([cell.image for cell in cells])]
        texts = self._texts(look, first)
        embed = first.pictures[0].infotext is not None
        sheets = [
            Picture(image, text if embed else None)
            for image, text in zip([self._main(grids, look), *grids], texts, strict=True)
        ]
        return self._told(sheets, cells, texts, look)

    def _told(self, sheets: list[Picture], cells: list[Picture], texts: list[str], look: Look) -> Outcome:
        """A1111 1.10.1 behaviour: `info` tells of every cell, shown or not; of one without picture null."""
        made = self._outcomes
        shown = sheets if look.sub_grids else sheets[:1]
        told = texts if look.sub_grids else texts[:1]
        infotexts: list[Any] = [*told, *(one and one.infotexts[0] for one in made)]
        seeds = [one and one.info["seed"] for one in made]
        lists: dict[str, list[Any]] = {"all_prompts": self._prompts, "all_seeds": seeds}
        if look.sub_grids:
            lists = {name: [*self._of_first_cells(items), *items] for name, items in lists.items()}
        template = next(one for one in made if one is not None).info
        info = template | lists | {"index_of_first_image": 1, "infotexts": infotexts}
        info["prompt"] = info["all_prompts"][0]
        kept = sheets if look.sub_grids and self._shape.z > 1 else sheets[:1]
        keep = [
            Keep(Picture(sheet.image, text), self._draft, FILE_NAME)
            for sheet, text in zip(kept, texts, strict=False)
        ]
        return Outcome([*shown, *(cells if look.cells else ())], infotexts, info, keep)

    def _cells(self, first: Outcome) -> list[Picture]:
        """The first picture of each cell; black where there is none."""
        black = Picture(Image.new("RGB", first.pictures[0].image.size), None)
        return [black if one is None else one.pictures[0] for one in self._outcomes]

    def _by_grid(self, items: list[Image.Image]) -> list[list[Image.Image]]:
        size = self._shape.x * self._shape.y
        return [items[start : start + size] for start in range(0, len(items), size)]

    def _of_first_cells(self, items: list[Any]) -> list[Any]:
        return items[:: self._shape.x * self._shape.y]

    def _grid(self, images: list[Image.Image], look: Look) -> Image.Image:
        sheet = grid.make(images, self._shape.y, self._style.background)
        if not look.legend:
            return sheet
        captions = Captions(_lines(look.captions[0]), _lines(look.captions[1]))
        return annotate(sheet, _largest(images), captions, legend_style(self._draft.options, look.margin))

    def _main(self, grids: list[Image.Image], look: Look) -> Image.Image:
        sheet = grid.make(grids, 1, self._style.background)
        if not look.legend:
            return sheet
        return annotate(sheet, _largest(grids), Captions(_lines(look.captions[2]), _lines([""])), self._style)

    def _texts(self, look: Look, first: Outcome) -> list[str]:
        """Infotexts of the main grid and of each z value's, from their first cells."""
        heads = [(one or first).infotexts[0] for one in self._of_first_cells(self._outcomes)]
        return [extended(heads[0], look.main_pairs), *(extended(head, look.pairs) for head in heads)]


def _lines(texts: Sequence[str]) -> list[list[Caption]]:
    return [[Caption(text)] for text in texts]


def _largest(images: Sequence[Image.Image]) -> tuple[int, int]:
    return max(image.width for image in images), max(image.height for image in images)
