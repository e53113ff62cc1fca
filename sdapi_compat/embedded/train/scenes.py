"""Seeded training scenes: glyphs on a background, as words describe them, and as a seed then varies them."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from PIL import Image

from .glyphs import glyph_image
from .vocabulary import COLOURS, Concept

Point = tuple[float, float]
#: The longer side of a lone glyph, as a share of the canvas' shorter side, per size word.
SIZES: dict[str | None, float] = {None: 0.64, "small": 0.35, "big": 0.86}
#: The same for a glyph that is put aside, or is one of several.
ASIDE_SIZE, SMALL_ASIDE_SIZE, PAIR_SIZE, CROWD_SIZE = 0.43, 0.295, 0.425, 0.38
#: Centre of the glyph (x, y as shares of the middle square) per position word.
POSITIONS: dict[str, Point] = {
    "left": (0.26, 0.5),
    "right": (0.74, 0.5),
    "top": (0.5, 0.26),
    "bottom": (0.5, 0.74),
    "top left": (0.26, 0.26),
    "top right": (0.74, 0.26),
    "bottom left": (0.26, 0.74),
    "bottom right": (0.74, 0.74),
}
#: Centres of two things, the first named first.
PAIRS: dict[str, tuple[Point, Point]] = {
    "beside": ((0.27, 0.5), (0.73, 0.5)),
    "above": ((0.5, 0.27), (0.5, 0.73)),
    "below": ((0.5, 0.73), (0.5, 0.27)),
    "right of": ((0.73, 0.5), (0.27, 0.5)),
}
#: Centres of several copies.
CROWDS: dict[int, tuple[Point, ...]] = {
    2: ((0.27, 0.5), (0.73, 0.5)),
    3: ((0.5, 0.28), (0.27, 0.72), (0.73, 0.72)),
    4: ((0.27, 0.27), (0.73, 0.27), (0.27, 0.73), (0.73, 0.73)),
}
#: Shares of scenes with a size word, with a position word, with copies and with two things.
SIZE_SHARE, POSITION_SHARE, CROWD_SHARE, PAIR_SHARE = 0.06, 0.08, 0.08, 0.20


@dataclass(frozen=True)
class Topic:
    """What words say of a picture: its things, how many, where, how big, and the background's colour."""

    concepts: tuple[Concept, ...]
    background: str | None = None
    size: str | None = None
    position: str | None = None
    count: int = 1
    relation: str | None = None


@dataclass(frozen=True)
class Placement:
    """One glyph in a picture; lengths are shares of the canvas' middle square."""

    concept: Concept
    centre: Point
    scale: float


@dataclass(frozen=True)
class Scene:
    """A picture's full description."""

    topic: Topic
    rgb: tuple[int, int, int]
    placements: tuple[Placement, ...]


def sample_topic(rng: random.Random, concepts: list[Concept], pair_share: float = PAIR_SHARE) -> Topic:
    """Draw at random what a caption will say; in ``pair_share`` of all cases it is about two things."""
    concept = rng.choice(concepts)
    background = rng.choice(list(COLOURS)) if rng.random() < 0.5 else None
    kind = rng.random()
    if kind < pair_share:
        other = rng.choice(concepts)
        relation = rng.choice(["beside", "beside", "beside", "beside", *PAIRS])
        return Topic((concept, other), background, relation=relation)
    kind -= pair_share
    if kind < CROWD_SHARE:
        return Topic((concept,), background, count=rng.choice([2, 2, 3, 4]))
    kind -= CROWD_SHARE
    if kind < POSITION_SHARE:
        size = "small" if rng.random() < 0.25 else None
        return Topic((concept,), background, size, rng.choice(list(POSITIONS)))
    if kind - POSITION_SHARE < SIZE_SHARE:
        return Topic((concept,), background, rng.choice(["small", "big"]))
    return Topic((concept,), background)


def _spots(topic: Topic) -> tuple[list[tuple[Concept, Point]], float]:
    """Each thing with its centre, and their size."""
    if topic.relation is not None:
        return list(zip(topic.concepts, PAIRS[topic.relation], strict=True)), PAIR_SIZE
    concept = topic.concepts[0]
    if topic.count > 1:
        size = PAIR_SIZE if topic.count == 2 else CROWD_SIZE
        return [(concept, point) for point in CROWDS[topic.count]], size
    if topic.position is not None:
        return [(concept, POSITIONS[topic.position])], SMALL_ASIDE_SIZE if topic.size else ASIDE_SIZE
    return [(concept, (0.5, 0.5))], SIZES[topic.size]


def plain_scene(topic: Topic) -> Scene:
    """The scene that ``topic`` describes, with nothing left to chance; no colour means white."""
    spots, size = _spots(topic)
    placements = tuple(Placement(concept, centre, size) for concept, centre in spots)
    return Scene(topic, COLOURS[topic.background or "white"], placements)


def _tone(rng: random.Random, base: tuple[int, int, int], spread: int) -> tuple[int, int, int]:
    shift = rng.randint(-spread, spread)
    red, green, blue = (min(255, max(0, part + shift + rng.randint(-4, 4))) for part in base)
    return red, green, blue


def _background(rng: random.Random, name: str | None) -> tuple[int, int, int]:
    if name is not None:
        return _tone(rng, COLOURS[name], 3 if name == "white" else 14)
    if rng.random() < 0.5:
        return _tone(rng, COLOURS["white"], 4)
    tint = rng.choice(list(COLOURS.values()))
    share = rng.uniform(0.08, 0.25)
    red, green, blue = (round(255 * (1 - share) + part * share) for part in tint)
    return red, green, blue


def varied_scene(rng: random.Random, topic: Topic) -> Scene:
    """The scene with a background of another tone, so that seeds give different pictures.

    Things stay where they are: a plan cannot tell details of what the noise has shifted.
    """
    return replace(plain_scene(topic), rgb=_background(rng, topic.background))


def sample_scene(rng: random.Random, concepts: list[Concept]) -> Scene:
    """A random scene about a random topic."""
    return varied_scene(rng, sample_topic(rng, concepts))


def render(scene: Scene, width: int, height: int | None = None) -> Image.Image:
    """The scene as an RGB picture of ``width`` x ``height`` pixels (square if only one is given).

    Things lie in the middle square of a canvas that is none.
    """
    height = width if height is None else height
    side = min(width, height)
    canvas = Image.new("RGB", (width, height), scene.rgb)
    for placement in scene.placements:
        glyph = glyph_image(placement.concept.glyph)
        factor = placement.scale * side / max(glyph.size)
        size = (max(1, round(glyph.width * factor)), max(1, round(glyph.height * factor)))
        method = Image.Resampling.BICUBIC if factor > 0.5 else Image.Resampling.BOX
        glyph = glyph.resize(size, method)
        left = round((width - side) / 2 + placement.centre[0] * side - glyph.width / 2)
        top = round((height - side) / 2 + placement.centre[1] * side - glyph.height / 2)
        canvas.paste(glyph, (left, top), glyph)
    return canvas
