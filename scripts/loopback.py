"""Loopback: img2img again and again, each time on the picture made before."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from sdapi_compat.errors import ApiError
from sdapi_compat.imaging import grid
from sdapi_compat.imaging.prepare import flatten
from sdapi_compat.scripting import Draft, Keep, Outcome, Picture, Script, World, argument, refused

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from PIL import Image

CURVES: dict[str, Callable[[float], float]] = {
    "Aggressive": lambda share: math.sin(share * math.pi / 2),
    "Linear": lambda share: share,
    "Lazy": lambda share: 1 - math.cos(share * math.pi / 2),
}
NOTHING = "None"
MOST_LOOPS = 1_000
KEEP_ORIGINAL = 1


class LoopbackArguments(msgspec.Struct):
    """As in A1111 1.10.1, in this order."""

    loops: Annotated[int, argument("Loops", minimum=1, maximum=32, step=1)] = 4
    final_strength: Annotated[
        float, argument("Final denoising strength", minimum=0, maximum=1, step=0.01)
    ] = 0.5
    curve: Annotated[str, argument("Denoising strength curve", choices=tuple(CURVES))] = "Linear"
    append_interrogation: Annotated[
        str,
        argument("Append interrogated prompt at each iteration", choices=(NOTHING, "CLIP", "DeepBooru")),
    ] = NOTHING

    def strength(self, first: float, loop: int) -> float:
        """That of loop `loop`, counted from 0. A1111 1.10.1 behaviour: unknown curves are linear."""
        if self.loops == 1:
            return first
        share = CURVES.get(self.curve, CURVES["Linear"])(loop / (self.loops - 1))
        return first + (self.final_strength - first) * share


class Loopback(Script):
    """All pictures of one chain, or the last of each of `n_iter`; in front of several a grid of one row."""

    title = "Loopback"
    kinds = frozenset({"img2img"})
    Arguments = LoopbackArguments

    def prepare(self, draft: Draft, arguments: LoopbackArguments, world: World) -> LoopbackArguments:
        """Raises InvalidRequest for too few or many loops, ApiError 501 for interrogation."""
        if not 1 <= arguments.loops <= MOST_LOOPS:
            raise refused(f"ensure there are 1 to {MOST_LOOPS} loops", 0)
        if not math.isfinite(arguments.final_strength):
            raise refused("ensure the final denoising strength is a finite number", 1)
        if arguments.append_interrogation != NOTHING:
            asked = arguments.append_interrogation
            raise ApiError(501, f"Loopback cannot append {asked}: there is no interrogator on this server")
        return arguments

    def parts(self, draft: Draft, arguments: LoopbackArguments) -> list[int]:
        return [1] * (arguments.loops * draft.n_iter)

    def run(self, draft: Draft, arguments: LoopbackArguments) -> Generator[Draft, Outcome, Outcome]:
        """Seeds count up from loop to loop and from chain to chain."""
        asked, draft = draft, first_part(draft.with_fixed_seeds(), arguments)
        seed = draft.fixed_seed()
        made: list[Outcome] = []
        pictures: list[Picture] = []
        for chain in range(asked.n_iter):
            part = draft
            history: list[Picture] = []
            for loop in range(arguments.loops):
                strength = arguments.strength(draft.denoising_strength or 0.0, loop)
                title = f"Iteration {loop + 1}/{arguments.loops}, batch {chain + 1}/{asked.n_iter}"
                part = part.change(seed=seed + len(made), denoising_strength=strength, title=title)
                outcome = yield part
                made.append(outcome)
                # Nothing comes of the loops after an interruption.
                if outcome.pictures:
                    history.append(outcome.pictures[0])
                    part = following(part, outcome.pictures[0].image)
            pictures += history if asked.n_iter == 1 else history[-1:]
        next_strength = arguments.strength(draft.denoising_strength or 0.0, arguments.loops)
        info = {"seed": seed, "subseed": -1, "denoising_strength": next_strength}
        return put_together(draft, pictures, made, info)


def first_part(draft: Draft, arguments: LoopbackArguments) -> Draft:
    """What every chain begins with. Colours are those of the first picture throughout."""
    assert draft.picture is not None
    target = flatten(draft.picture.init_images[0], draft.options.text("img2img_background_color"))
    return draft.change(
        batch_size=1,
        n_iter=1,
        grid=False,
        picture=msgspec.structs.replace(draft.picture, color_target=target),
        extra=draft.extra
        | {"Final denoising strength": arguments.final_strength, "Denoising curve": arguments.curve},
    )


def following(draft: Draft, image: Image.Image) -> Draft:
    """The same on the picture just made; what is under a mask is filled only once."""
    assert draft.picture is not None
    picture = msgspec.structs.replace(draft.picture, init_images=(image,), inpainting_fill=KEEP_ORIGINAL)
    return draft.change(picture=picture)


def put_together(draft: Draft, pictures: list[Picture], made: list[Outcome], info: dict[str, Any]) -> Outcome:
    """All pictures, a grid first; A1111 1.10.1 behaviour: `info` tells each the infotext of the first."""
    infotext, keep = made[0].infotexts[0], []
    if len(pictures) > 1:
        background = draft.options.text("grid_background_color")
        sheet = Picture(
            grid.make([picture.image for picture in pictures], 1, background), pictures[0].infotext
        )
        keep = [Keep(sheet._replace(infotext=infotext), draft, "grid")]
        pictures = [sheet, *pictures] if draft.options.flag("return_grid") else pictures
    infotexts = [infotext] * max(1, len(pictures))
    return Outcome(pictures, infotexts, made[-1].info | info | {"infotexts": infotexts}, keep)


SCRIPT = Loopback()
