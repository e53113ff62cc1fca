"""Prompt matrix: every combination of the parts of a prompt that are separated by "|"."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from sdapi_compat.imaging import captions, grid
from sdapi_compat.scripting import (
    Draft,
    Keep,
    Outcome,
    Picture,
    Script,
    World,
    argument,
    legend_style,
    refused,
)

if TYPE_CHECKING:
    from collections.abc import Generator

MOST_PARTS = 13
JOINERS = {"comma": ", ", "space": " "}


class MatrixArguments(msgspec.Struct):
    """As in A1111 1.10.1, in this order."""

    put_at_start: Annotated[bool, argument("Put variable parts at start of prompt")] = False
    different_seeds: Annotated[bool, argument("Use different seed for each picture")] = False
    prompt_type: Annotated[str, argument("Select prompt", choices=["positive", "negative"])] = "positive"
    variations_delimiter: Annotated[str, argument("Select joining char", choices=["comma", "space"])] = (
        "comma"
    )
    margin_size: Annotated[int, argument("Grid margins (px)", minimum=0, maximum=500, step=2)] = 0


class PromptMatrix(Script):
    """2^(n-1) pictures for a prompt of n parts, and an annotated grid in front of them."""

    title = "Prompt matrix"
    Arguments = MatrixArguments

    def prepare(self, draft: Draft, arguments: MatrixArguments, world: World) -> MatrixArguments:
        """Raises InvalidRequest for too many parts, Fault "ValueError" for a colour that is none."""
        prompt = draft.negative_prompt if arguments.prompt_type == "negative" else draft.prompt
        if str(prompt).count("|") > MOST_PARTS:
            raise refused(f"ensure the prompt has at most {MOST_PARTS} variable parts")
        legend_style(draft.options)
        return arguments

    def run(self, draft: Draft, arguments: MatrixArguments) -> Generator[Draft, Outcome, Outcome]:
        """Raises ValueError for a prompt type or joiner that does not exist."""
        if arguments.prompt_type not in ("positive", "negative"):
            raise ValueError(f"Unknown prompt type {arguments.prompt_type}")
        if arguments.variations_delimiter not in JOINERS:
            raise ValueError(f"Unknown variations delimiter {arguments.variations_delimiter}")
        negative = arguments.prompt_type == "negative"
        base, *parts = str(draft.negative_prompt if negative else draft.prompt).split("|")
        prompts = combinations(base, parts, arguments)
        outcome = yield self._expanded(draft, prompts, arguments, negative=negative)
        style = legend_style(draft.options, arguments.margin_size)
        outcome = with_grid(outcome, [part.strip(" ,") for part in parts], len(prompts), style)
        if outcome.pictures:
            sheet = Picture(outcome.pictures[0].image, outcome.infotexts[0])
            outcome.keep = [Keep(sheet, draft, "prompt_matrix")]
        return outcome

    def _expanded(
        self, draft: Draft, prompts: list[str], arguments: MatrixArguments, *, negative: bool
    ) -> Draft:
        n_iter = math.ceil(len(prompts) / draft.batch_size)
        count = n_iter * draft.batch_size
        # The last batch is filled up with the last prompt, whose extra pictures are dropped again.
        padded = tuple(prompts + prompts[-1:] * (count - len(prompts)))
        seed = draft.fixed_seed()
        seeds = tuple(seed + index if arguments.different_seeds else seed for index in range(count))
        changes: dict[str, Any] = {"negative_prompt" if negative else "prompt": padded}
        return draft.change(n_iter=n_iter, seed=seeds, grid=False, **changes)


def combinations(base: str, parts: list[str], arguments: MatrixArguments) -> list[str]:
    """Bit i of a picture's number says whether part i is in its prompt."""
    joiner = JOINERS[arguments.variations_delimiter]
    cleaned = [part.strip().strip(",") for part in parts]
    prompts = []
    for number in range(1 << len(parts)):
        chosen = [part for index, part in enumerate(cleaned) if number >> index & 1]
        ordered = [*chosen, base] if arguments.put_at_start else [base, *chosen]
        prompts.append(joiner.join(ordered))
    return prompts


def with_grid(outcome: Outcome, parts: list[str], count: int, style: captions.CaptionStyle) -> Outcome:
    """The outcome with the annotated grid in front."""
    pictures, infotexts = outcome.pictures[:count], outcome.infotexts[:count]
    if not pictures:
        return outcome
    images = [picture.image for picture in pictures]
    rows = 1 << (len(parts) // 2)
    sheet = grid.make(images, min(rows, len(images)), style.background)
    if len(images) == count:
        sheet = captions.annotate(sheet, images[0].size, captions.prompt_matrix(parts), style)
    infotexts = [infotexts[0], *infotexts]
    info = outcome.info | {"infotexts": infotexts, "index_of_first_image": 1}
    return Outcome([Picture(sheet, pictures[0].infotext), *pictures], infotexts, info)


SCRIPT = PromptMatrix()
