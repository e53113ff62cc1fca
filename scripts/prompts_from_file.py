"""Prompts from file or textbox: a job of many lines, each a prompt or a row of options."""

from __future__ import annotations

import math
import shlex
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec

from sdapi_compat.errors import ApiError, SdapiError
from sdapi_compat.sampling.table import SAMPLERS
from sdapi_compat.scripting import Draft, Outcome, Picture, Script, World, argument, refused

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

START, END = "start", "end"
LINES_PLACE = 3
MOST_LINES = 10_000
PROMPTS = ("prompt", "negative_prompt")
SAMPLER_NAMES = {name.lower(): spec.name for spec in SAMPLERS for name in (spec.name, *spec.aliases)}


class LinesArguments(msgspec.Struct):
    """As in A1111 1.10.1, in this order."""

    iterate: Annotated[bool, argument("Iterate seed every line")] = False
    same_seed: Annotated[bool, argument("Use same random seed for all lines")] = False
    position: Annotated[str, argument("Insert prompts at the", choices=(START, END))] = START
    lines: Annotated[str, argument("List of prompt inputs")] = ""


class Line(NamedTuple):
    """What a line changes: fields of the draft, and options."""

    fields: dict[str, Any]
    options: dict[str, Any]


class Lines(NamedTuple):
    """All lines, understood."""

    lines: list[Line]
    arguments: LinesArguments


class PromptsFromFile(Script):
    """The pictures of all lines, one after the other, without a grid."""

    title = "Prompts from file or textbox"
    Arguments = LinesArguments

    def prepare(self, draft: Draft, arguments: LinesArguments, world: World) -> Lines:
        """Raises InvalidRequest that names the line, and ApiError 501 for --restore_faces."""
        if arguments.position not in (START, END):
            raise refused(f"ensure this value is {START} or {END}", 2)
        texts = [line.strip() for line in arguments.lines.splitlines() if line.strip()]
        if not 1 <= len(texts) <= MOST_LINES:
            raise refused(f"ensure there are 1 to {MOST_LINES} lines", LINES_PLACE)
        reader = Reader(draft, world)
        return Lines([reader.read(number, text) for number, text in enumerate(texts, 1)], arguments)

    def parts(self, draft: Draft, arguments: Lines) -> list[int]:
        return [line.fields.get("n_iter", draft.n_iter) for line in arguments.lines]

    def run(self, draft: Draft, arguments: Lines) -> Generator[Draft, Outcome, Outcome]:
        """A line's own options win over the request's fields."""
        asked, boxes = draft, arguments.arguments
        if boxes.iterate or boxes.same_seed:
            asked = draft.change(seed=draft.fixed_seed())
        made: list[Outcome] = []
        batches = 0
        for line in arguments.lines:
            title = f"{batches + 1} out of {sum(self.parts(draft, arguments))}"
            part = with_line(asked, line, at_start=boxes.position == START).change(title=title)
            made.append((yield part))
            batches += part.n_iter
            if boxes.iterate:
                asked = asked.change(seed=asked.fixed_seed() + asked.batch_size * asked.n_iter)
        return joined(made)


def with_line(draft: Draft, line: Line, *, at_start: bool) -> Draft:
    """The request as one line changes it: prompts of both are joined, all else of the line counts."""
    fields = dict(line.fields)
    for name in PROMPTS:
        own, whole = fields.get(name), getattr(draft, name)
        if own and whole and isinstance(whole, str):
            fields[name] = f"{own} {whole}" if at_start else f"{whole} {own}"
    draft = draft.change(**{"grid": False} | fields)
    return draft.with_options(line.options) if line.options else draft


def joined(made: list[Outcome]) -> Outcome:
    """The pictures of all lines, and all prompts, seeds and infotexts in `info`."""
    pictures: list[Picture] = [picture for outcome in made for picture in outcome.pictures]
    done = [outcome for outcome in made if outcome.pictures] or made[:1]
    infotexts = [text for outcome in done for text in outcome.infotexts]
    lists = ("all_prompts", "all_negative_prompts", "all_seeds", "all_subseeds")
    info = done[0].info | {key: [value for outcome in done for value in outcome.info[key]] for key in lists}
    return Outcome(pictures, infotexts, info | {"infotexts": infotexts, "index_of_first_image": 0})


class Reader:
    """Reads lines. A line that does not begin with "--" is a prompt as it stands."""

    def __init__(self, draft: Draft, world: World) -> None:
        self._world = world
        self._options = draft.options
        self._folders = {f"outpath_{kind}": f"outdir_{draft.kind}_{kind}" for kind in ("samples", "grids")}

    def read(self, number: int, text: str) -> Line:
        """Raises InvalidRequest for an unknown option, or one whose value is missing or of the wrong kind."""
        if not text.startswith("--"):
            return Line({"prompt": text}, {})
        line = Line({}, {})
        try:
            for name, value in pairs(shlex.split(text)):
                self._set(line, name, value)
        except (ValueError, SdapiError) as error:
            if isinstance(error, ApiError):
                raise
            raise refused(f"line {number}: {error}", LINES_PLACE) from None
        return line

    def _set(self, line: Line, name: str, value: str) -> None:
        if name in self._folders:
            line.options[self._folders[name]] = value
        elif name == "sd_model":
            line.options["sd_model_checkpoint"] = self._checkpoint(value)
        elif name in FIELDS:
            try:
                line.fields.update(FIELDS[name](value))
            except ValueError:
                raise ValueError(f"--{name} cannot be {value!r}") from None
        else:
            raise ValueError(f"unknown option --{name}")

    def _checkpoint(self, text: str) -> str:
        choice, _ = self._world.models.named(text, self._options)
        return choice.checkpoint


def pairs(words: list[str]) -> Iterator[tuple[str, str]]:
    """Options with their values; those of prompts go on to the next word that begins with "--"."""
    place = 0
    while place < len(words):
        word, values = words[place], words[place + 1 :]
        if not word.startswith("--"):
            raise ValueError(f"{word!r} is no option and follows none")
        if not values:
            raise ValueError(f"{word} has no value")
        name, taken = word[2:], 1
        if name in PROMPTS:
            while taken < len(values) and not values[taken].startswith("--"):
                taken += 1
        yield name, " ".join(values[:taken])
        place += 1 + taken


def _field(name: str, kind: Callable[[str], Any]) -> Callable[[str], dict[str, Any]]:
    return lambda text: {name: kind(text)}


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _truth(text: str) -> bool:
    """A1111 1.10.1 behaviour: "true" and nothing else."""
    return text == "true"


def _sampler(text: str) -> str:
    """The name of a sampler given in any case, or by another name."""
    if text.lower() not in SAMPLER_NAMES:
        raise ValueError(text)
    return SAMPLER_NAMES[text.lower()]


def _faces(text: str) -> dict[str, Any]:
    if _truth(text):
        raise ApiError(501, "--restore_faces is not built: there is no face restorer on this server")
    return {}


def _no_samples(text: str) -> dict[str, Any]:
    return {"save_images": False} if _truth(text) else {}


def _nothing(text: str) -> dict[str, Any]:
    """For options of the original that change nothing."""
    return {}


FIELDS: dict[str, Callable[[str], dict[str, Any]]] = {
    **{name: _field(name, str) for name in PROMPTS},
    **{
        name: _field(name, int)
        for name in ("seed", "subseed", "seed_resize_from_h", "seed_resize_from_w", "batch_size", "n_iter")
    },
    **{name: _field(name, int) for name in ("steps", "width", "height")},
    **{name: _field(name, _number) for name in ("subseed_strength", "cfg_scale")},
    "sampler_name": _field("sampler", _sampler),
    "styles": _field("styles", lambda text: tuple(name.strip() for name in text.split(","))),
    "tiling": _field("tiling", _truth),
    "restore_faces": _faces,
    "do_not_save_samples": _no_samples,
    "do_not_save_grid": _field("grid", lambda text: not _truth(text)),
    "prompt_for_display": _nothing,
    "sampler_index": _nothing,
}

SCRIPT = PromptsFromFile()
