"""Captions for scenes: what is in the picture, in the words people type, among words to ignore."""

from __future__ import annotations

import random

from .scenes import Scene
from .vocabulary import COLOUR_ALIASES, COLOURS

BEFORE = (
    "a photo of", "a picture of", "an illustration of", "a drawing of", "a painting of", "an image of",
    "a portrait of", "an emoji of", "a close up of", "photo of", "picture of", "emoji of", "icon of",
    "one", "my", "this is", "draw",
)  # fmt: skip
ADJECTIVES = (
    "beautiful", "cute", "lovely", "nice", "happy", "funny", "detailed", "simple", "colorful", "fluffy",
    "realistic", "amazing", "shiny", "old", "new", "fresh", "adorable", "majestic", "magical",
    "friendly", "wild", "perfect",
)  # fmt: skip
AFTER = (
    "masterpiece", "best quality", "high quality", "highly detailed", "8k", "4k", "hd", "digital art",
    "emoji", "cartoon", "trending on artstation", "sharp focus", "studio lighting", "professional",
    "award winning", "vector", "concept art", "soft light", "icon", "sticker", "flat design",
    "close up", "intricate", "by a famous artist",
)  # fmt: skip
BACKGROUNDS = (
    "on a {} background", "on {} background", "{} background", "with a {} background", "on a {} backdrop",
    "in front of a {} background", "in front of a {} wall", "against a {} background",
)  # fmt: skip
SIZE_WORDS = {"small": ("small", "tiny", "little"), "big": ("big", "large", "huge", "giant")}
POSITION_WORDS = {
    "left": ("on the left", "on the left side", "left"),
    "right": ("on the right", "on the right side", "right"),
    "top": ("at the top", "on the top", "top"),
    "bottom": ("at the bottom", "on the bottom", "bottom"),
}
#: Share of captions left empty, which classifier-free guidance needs.
EMPTY_SHARE = 0.1
#: Share of captions without the object's name: they teach what a background word means by itself.
NAMELESS_SHARE = 0.03
_SYLLABLES = (
    "ba", "ke", "lo", "mi", "nu", "ra", "so", "ti", "vu", "zen", "gra", "plo", "shi", "tor", "wex",
    "qua",
)  # fmt: skip


def filler_word(rng: random.Random) -> str:
    """A word that means nothing to the model: an invented one."""
    return "".join(rng.choices(_SYLLABLES, k=rng.randint(1, 4)))


def colour_word(rng: random.Random, name: str) -> str:
    """The colour's name or another spelling of it."""
    return rng.choice([name, name, *(alias for alias, meant in COLOUR_ALIASES.items() if meant == name)])


def object_phrase(rng: random.Random, scene: Scene) -> str:
    """The object with article, adjectives and size word."""
    concept = scene.concept
    name = rng.choice(concept.names) if rng.random() < 0.6 else concept.key
    if concept.synonyms and rng.random() < 0.12:
        name = rng.choice(concept.synonyms)
    words = [name]
    if rng.random() < 0.25:
        words.insert(0, rng.choice(ADJECTIVES) if rng.random() < 0.7 else filler_word(rng))
    if rng.random() < 0.04:
        # The glyphs have colours of their own: a colour before the object is a word to ignore.
        words.insert(0, rng.choice(list(COLOURS)))
    if scene.size is not None:
        words.insert(0, rng.choice(SIZE_WORDS[scene.size]))
    if rng.random() < 0.6:
        words.insert(0, rng.choice(["the", "the", "an" if words[0][0] in "aeiou" else "a", "a", "a", "one"]))
    return " ".join(words)


def caption(rng: random.Random, scene: Scene) -> str:
    """A caption of ``scene``; empty for :data:`EMPTY_SHARE` of the calls."""
    if rng.random() < EMPTY_SHARE:
        return ""
    parts: list[str] = []
    if rng.random() >= NAMELESS_SHARE:
        parts.append(object_phrase(rng, scene))
        if rng.random() < 0.3:
            parts[0] = f"{rng.choice(BEFORE)} {parts[0]}"
    if scene.position is not None:
        parts.append(rng.choice(POSITION_WORDS[scene.position]))
    if scene.background is not None:
        parts.append(rng.choice(BACKGROUNDS).format(colour_word(rng, scene.background)))
    if len(parts) > 1 and rng.random() < 0.15:
        parts.append(parts.pop(0))
    text = rng.choice([" ", ", "]).join(parts)
    for _ in range(rng.choice([0, 0, 0, 1, 1, 2, 3])):
        text += ", " + (rng.choice(AFTER) if rng.random() < 0.7 else filler_word(rng))
    return text.strip(", ")
