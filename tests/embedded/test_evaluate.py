"""The scores of `python -m sdapi_compat.embedded.train.evaluate` know right pictures from wrong ones."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("torch")
pytest.importorskip("diffusers")

from sdapi_compat.embedded.train.evaluate import cases, pairs, retrieval
from sdapi_compat.embedded.train.glyphs import FONT_FILE
from sdapi_compat.embedded.train.retrieval import full_gallery
from sdapi_compat.embedded.train.scenes import Topic, plain_scene, render
from sdapi_compat.embedded.train.vocabulary import COLOURS, Concept

pytestmark = pytest.mark.skipif(not FONT_FILE.exists(), reason="needs fonts-noto-color-emoji")
CONCEPTS = [
    Concept(name, glyph, (name,), ())
    for name, glyph in (
        ("cat", "🐱"), ("tree", "🌳"), ("car", "🚗"), ("star", "⭐"), ("pizza", "🍕"), ("ghost", "👻"),
        ("guitar", "🎸"), ("umbrella", "☂"), ("snowman", "⛄"), ("key", "🔑"),
    )
]  # fmt: skip
BY_NAME = {concept.key: concept for concept in CONCEPTS}


def drawing(topic: Callable[[list[Concept], str | None], Topic]) -> Callable[[dict[str, Any]], Image.Image]:
    """What draws `topic` of the concepts and the colour that a prompt names, without a model."""

    def draw(request: dict[str, Any]) -> Image.Image:
        words = re.findall(r"\w+", request["prompt"])
        colour = next((word for word in words if word in COLOURS), None)
        return render(plain_scene(topic([BY_NAME[word] for word in words if word in BY_NAME], colour)), 512)

    return draw


def test_two_things_side_by_side_are_both_found() -> None:
    gallery = full_gallery(CONCEPTS)
    both = drawing(lambda things, colour: Topic(tuple(things), colour, relation="beside"))
    assert pairs(both, gallery, CONCEPTS, 5)["pairs, both first"] == 1.0
    turned = drawing(lambda things, colour: Topic(tuple(things), colour, relation="right of"))
    assert pairs(turned, gallery, CONCEPTS, 5)["pairs, both first"] == 0.0


def test_the_thing_and_the_colour_asked_for_are_found_and_others_are_not() -> None:
    gallery, asked = full_gallery(CONCEPTS), cases(CONCEPTS, 10, 1)
    right = drawing(lambda things, colour: Topic(tuple(things), colour))
    assert retrieval(right, gallery, asked) == {"top-1": 1.0, "top-5": 1.0, "background": 1.0}
    following = dict(zip(CONCEPTS, CONCEPTS[1:] + CONCEPTS[:1], strict=True))
    wrong = drawing(lambda things, _: Topic((following[things[0]],), "white"))
    scores = retrieval(wrong, gallery, asked)
    assert scores["top-1"] == 0.0
    assert scores["background"] < 0.5


def test_a_speck_in_a_corner_is_no_part_of_the_thing() -> None:
    picture = render(plain_scene(Topic((CONCEPTS[4],), "blue")), 512)
    picture.paste((255, 255, 255), (0, 500, 12, 512))
    assert full_gallery(CONCEPTS).rank(picture)[0] == "pizza"
