"""X/Y/Z plot: a picture for every combination of values, in annotated grids."""

from __future__ import annotations

import logging
from itertools import product
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec

from sdapi_compat.errors import Fault
from sdapi_compat.scripting import Draft, Outcome, Script, World, argument, refused

from . import axes, sheets, values
from .sheets import Place

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

log = logging.getLogger(__name__)
TYPES = {kind: tuple(axis.label for axis in axes.of_route(kind)) for kind in (axes.TXT2IMG, axes.IMG2IMG)}
SEED_AXES = ("Seed", "Var. seed")
LARGEST_RANDOM_SEED = 4294967293
MOST_CELLS = 10_000


class PlotArguments(msgspec.Struct):
    """As in A1111 1.10.1, in this order. Types are places in the list of axes, or labels from it."""

    x_type: Annotated[int | str | None, argument("X type", choices=TYPES)] = "Seed"
    x_values: Annotated[str | None, argument("X values")] = ""
    x_names: Annotated[list[Any] | None, argument("X values", choices=())] = None
    y_type: Annotated[int | str | None, argument("Y type", choices=TYPES)] = "Nothing"
    y_values: Annotated[str | None, argument("Y values")] = ""
    y_names: Annotated[list[Any] | None, argument("Y values", choices=())] = None
    z_type: Annotated[int | str | None, argument("Z type", choices=TYPES)] = "Nothing"
    z_values: Annotated[str | None, argument("Z values")] = ""
    z_names: Annotated[list[Any] | None, argument("Z values", choices=())] = None
    draw_legend: Annotated[bool, argument("Draw legend")] = True
    include_lone_images: Annotated[bool, argument("Include Sub Images")] = False
    include_sub_grids: Annotated[bool, argument("Include Sub Grids")] = False
    no_fixed_seeds: Annotated[bool, argument("Keep -1 for seeds")] = False
    vary_seeds_x: Annotated[bool, argument("Vary seeds for X")] = False
    vary_seeds_y: Annotated[bool, argument("Vary seeds for Y")] = False
    vary_seeds_z: Annotated[bool, argument("Vary seeds for Z")] = False
    margin_size: Annotated[int, argument("Grid margins (px)", minimum=0, maximum=500, step=2)] = 0
    csv_mode: Annotated[bool, argument("Use text inputs instead of dropdowns")] = False


class Side(NamedTuple):
    """One of the three axes. `text`: the values as asked; `targets`: what the draft is given for each."""

    axis: axes.Axis
    text: str
    values: list[Any]
    targets: list[Any]

    @property
    def captions(self) -> list[str]:
        """The legend."""
        return [self.axis.caption(self.axis, value) for value in self.values]

    def pairs(self, letter: str, *, fixed: bool) -> dict[str, str]:
        """What the infotext of a grid says. `fixed`: seeds of -1 were drawn."""
        label = self.axis.label
        if label == "Nothing":
            return {}
        pairs = {f"{letter} Type": label, f"{letter} Values": self.text}
        if label in SEED_AXES and fixed:
            pairs[f"Fixed {letter} Values"] = ", ".join(map(str, self.values))
        return pairs


class Plot(NamedTuple):
    """The three sides, read and checked."""

    x: Side
    y: Side
    z: Side
    arguments: PlotArguments

    @property
    def shape(self) -> Place:
        """How many values each side has."""
        return Place(len(self.x.values), len(self.y.values), len(self.z.values))

    def places(self) -> Iterator[Place]:
        """All cells, those that differ in what is slow to change far apart, else rows before columns."""
        slow = sorted("zyx", key=lambda letter: -getattr(self, letter).axis.cost)
        for indices in product(*(range(getattr(self.shape, letter)) for letter in slow)):
            yield Place(**dict(zip(slow, indices, strict=True)))

    def cell(self, draft: Draft, place: Place) -> Draft:
        """The draft of one cell. Raises what the axes raise."""
        for side, index in ((self.x, place.x), (self.y, place.y), (self.z, place.z)):
            draft = side.axis.change(draft, side.targets[index], side.targets)
        return draft.change(seed=self._varied(draft.seed, place))

    def _varied(self, seed: int | tuple[int, ...], place: Place) -> int | tuple[int, ...]:
        """A1111 1.10.1 behaviour: seeds count up along every side that is to vary them."""
        if not isinstance(seed, int) or seed == -1:
            return seed
        wanted, step = self.arguments, 1
        if wanted.vary_seeds_x:
            seed, step = seed + place.x * step, step * self.shape.x
        if wanted.vary_seeds_y:
            seed, step = seed + place.y * step, step * self.shape.y
        return seed + place.z * step if wanted.vary_seeds_z else seed


class XyzPlot(Script):
    """Main grid first, then the grid of each Z value and the single pictures, as far as they are wanted."""

    title = "X/Y/Z plot"
    Arguments = PlotArguments

    def prepare(self, draft: Draft, arguments: PlotArguments, world: World) -> Plot:
        """Raises for values that cannot be read or applied, and for a grid beyond img_max_size_mp."""
        reader = Reader(draft, arguments, world)
        plot = Plot(reader.side("x", 0), reader.side("y", 3), reader.side("z", 6), arguments)
        count = plot.shape.x * plot.shape.y * plot.shape.z
        if count > MOST_CELLS:
            raise refused(f"ensure there are at most {MOST_CELLS} pictures")
        cells = (plot.cell(draft, place) for place in plot.places())
        megapixels = round(count * max(cell.width * cell.height for cell in cells) / 1_000_000)
        most = draft.options.integer("img_max_size_mp")
        if megapixels >= most:
            raise Fault(
                "AssertionError",
                f"Error: Resulting grid would be too large ({megapixels} MPixels) "
                f"(max configured size is {most} MPixels)",
            )
        return plot

    def parts(self, draft: Draft, arguments: Plot) -> int:
        return arguments.shape.x * arguments.shape.y * arguments.shape.z

    def run(self, draft: Draft, arguments: Plot) -> Generator[Draft, Outcome, Outcome]:
        """A cell that fails stays black; when none succeeds, the first one's error is raised."""
        plot = arguments
        if not plot.arguments.no_fixed_seeds:
            draft = draft.with_fixed_seeds()
        if not draft.options.flag("return_grid"):
            draft = draft.change(batch_size=1)
        board = sheets.Board(plot.shape, draft)
        for place in plot.places():
            title = f"{board.number(place) + 1} out of {self.parts(draft, plot)}"
            part = plot.cell(draft, place).change(title=title)
            try:
                board.put(place, part, (yield part))
            except Exception as error:  # noqa: BLE001 - whatever it is, the other cells are wanted
                log.warning("X/Y/Z plot, cell %s: %s", title, error)
                board.failed(error)
        return board.outcome(self._look(draft, plot))

    def _look(self, draft: Draft, plot: Plot) -> sheets.Look:
        wanted = plot.arguments
        pairs = {"Script": self.title}
        for letter, side in (("X", plot.x), ("Y", plot.y)):
            pairs |= side.pairs(letter, fixed=not wanted.no_fixed_seeds)
        return sheets.Look(
            captions=(plot.x.captions, plot.y.captions, plot.z.captions),
            pairs=pairs,
            main_pairs=pairs | plot.z.pairs("Z", fixed=not wanted.no_fixed_seeds),
            legend=wanted.draw_legend,
            margin=wanted.margin_size,
            cells=wanted.include_lone_images,
            sub_grids=wanted.include_sub_grids,
        )


class Reader:
    """Reads the arguments of the sides for one draft."""

    def __init__(self, draft: Draft, arguments: PlotArguments, world: World) -> None:
        self._draft = draft
        self._arguments = arguments
        self._world = world
        self._chance = draft.chance()

    def side(self, letter: str, place: int) -> Side:
        """`place`: where in script_args its arguments begin. Raises InvalidRequest, Fault or ApiError."""
        axis = self._axis(getattr(self._arguments, f"{letter}_type"), place)
        if axis.label == "Nothing":
            return Side(axis, "", [0], [0])
        text = getattr(self._arguments, f"{letter}_values") or ""
        names = getattr(self._arguments, f"{letter}_names")
        if axis.listed and names and not self._arguments.csv_mode:
            text = values.joined(names)
        try:
            found = list(axis.parse(values.split(text)))
            if axis.label in SEED_AXES and not self._arguments.no_fixed_seeds:
                found = [self._drawn(seed) for seed in found]
            targets = [axis.read(value, self._draft, self._world) for value in found] if axis.read else found
        except (ValueError, OverflowError) as error:
            raise refused(f"{axis.label}: {error}", place + 1) from None
        if not found:
            raise refused(f"ensure {axis.label} has at least one value", place + 1)
        return Side(axis, text, found, targets)

    def _drawn(self, seed: int) -> int:
        return self._chance.randint(0, LARGEST_RANDOM_SEED) if seed == -1 else seed

    def _axis(self, wanted: int | str | None, place: int) -> axes.Axis:
        known = axes.of_route(self._draft.kind)
        for number, axis in enumerate(known):
            if str(wanted or 0).lower() in (str(number), axis.label.lower()):
                return axis
        raise refused(f"ensure the type of axis is 0 to {len(known) - 1} or a name in the list", place)


SCRIPT = XyzPlot()
