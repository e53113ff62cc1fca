"""The concepts the embedded checkpoint can draw, and the words that name them.

A concept is one glyph of Noto Color Emoji. Its own words stand in :data:`CONCEPTS`; further synonyms
come from the annotations of Unicode's CLDR, where they are unambiguous among the chosen concepts.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

CLDR_FILE = Path("/usr/share/unicode/cldr/common/annotations/en.xml")

#: One line per concept: glyph, then its names; the first name is the concept's key. The words that people
#: type first stand first: short trainings keep to the head of the table.
CONCEPTS = """
🐱 cat, kitten, kitty
🐶 dog, puppy, maltese puppy, puppy dog, doggy
☀ sun, sunshine
🌙 moon, crescent moon
⭐ star
❤ heart, red heart, love
🌄 sunset over the mountains, sunset, sunrise over the mountains, sunrise, sunset over mountains
🏔 mountain, mountains, snowy mountain
🌳 tree, trees
🌼 flower, blossom, daisy
🌹 rose, red rose
🍎 apple, red apple
🍌 banana
🍊 orange fruit, tangerine
🍕 pizza, slice of pizza
🎂 cake, birthday cake
🚗 car, automobile
🏠 house, home
🚀 rocket, spaceship
🐟 fish
🐦 bird
🦋 butterfly
😀 smiling face, smiley, smile, happy face, grinning face, face
👻 ghost
🤖 robot
🏰 castle
🌈 rainbow
🔥 fire, flame
☁ cloud, clouds
⛄ snowman
🍔 burger, hamburger, cheeseburger
☕ coffee, cup of coffee, tea
🍓 strawberry
✈ airplane, plane
🚢 ship, boat
🚂 train, locomotive, steam train
🚲 bicycle, bike
🐴 horse, pony
🦁 lion
🐻 bear, teddy bear
🐼 panda
🦊 fox
🐘 elephant
🐧 penguin
🎃 pumpkin, jack-o-lantern, halloween
🍄 mushroom
🐲 dragon
🦉 owl
🦄 unicorn
🐰 rabbit, bunny
🐯 tiger
🐮 cow
🐷 pig, piglet
🐸 frog, toad
🐵 monkey
🐭 mouse
🐺 wolf
🦆 duck
🦈 shark
🐳 whale
🐙 octopus
🐢 turtle, tortoise
🐍 snake
🐝 bee, honeybee
❄ snowflake, snow
⚡ lightning, thunder
🌊 wave, ocean, sea
🌋 volcano
🏝 island, beach, desert island
🌅 sunset over the sea, sunrise over the sea, sunset over the ocean, sunrise over the ocean
🌌 galaxy, milky way, space
🏙 city, skyline, cityscape
🌲 pine tree, pine, forest, fir tree
🌴 palm tree, palm
🌵 cactus
🌻 sunflower
🍀 clover, four leaf clover
🌍 earth, planet, globe, world
🍋 lemon
🍇 grapes, grape
🍉 watermelon
🍒 cherry, cherries
🍍 pineapple
🧀 cheese
🍩 donut, doughnut
🍦 ice cream, icecream
💎 diamond, gem
👑 crown
🔑 key
🎁 gift, present, gift box
🎈 balloon
⚽ soccer ball, football, ball
🎸 guitar
📷 camera
💻 laptop, computer
⏰ clock, alarm clock
📖 book, open book
✏ pencil
💡 light bulb, lightbulb, lamp
☂ umbrella
🎩 hat, top hat
🏆 trophy
🚌 bus
⛵ sailboat, sailing boat
🛸 ufo, flying saucer
😭 crying face, sad face
😡 angry face, angry
😎 cool face, face with sunglasses, sunglasses
👽 alien
💀 skull
🎅 santa claus, santa
👩 woman, girl, lady
👨 man, guy
"""

#: CLDR keywords that say too little about the picture, or mean something else in a prompt.
VAGUE = frozenset({
    "wise", "bearer", "pretty", "spots", "female", "rays", "weather", "danger", "tool", "sweat",
    "plant", "falling", "food", "hot", "ear", "soft", "breakfast", "steaming", "instrument", "music",
    "video", "cell", "personal", "engine", "delivery", "passenger", "resort", "death", "young",
    "father", "spouting", "lock", "africa", "europe", "maze", "jack", "pc", "european", "hoop",
    "password",
})  # fmt: skip

#: Background colours that a prompt can name, as RGB 0..255.
COLOURS: dict[str, tuple[int, int, int]] = {
    "white": (252, 252, 252),
    "black": (18, 18, 20),
    "gray": (140, 140, 142),
    "red": (214, 40, 40),
    "orange": (245, 140, 30),
    "yellow": (250, 215, 50),
    "green": (60, 165, 70),
    "blue": (45, 100, 220),
    "purple": (130, 60, 180),
    "pink": (245, 150, 190),
    "brown": (125, 80, 45),
}

#: Other spellings of the colours.
COLOUR_ALIASES: dict[str, str] = {"grey": "gray", "violet": "purple"}


@dataclass(frozen=True)
class Concept:
    """One drawable thing: its key, its glyph, its own names, and single words from CLDR."""

    key: str
    glyph: str
    names: tuple[str, ...]
    synonyms: tuple[str, ...]


def _rows() -> dict[str, tuple[str, ...]]:
    """Own names of each glyph, in table order."""
    rows = (line.split(" ", 1) for line in CONCEPTS.strip().splitlines())
    return {glyph: tuple(word.strip() for word in words.split(",")) for glyph, words in rows}


def concept_keys() -> list[str]:
    """The key of every concept, in table order."""
    return [names[0] for names in _rows().values()]


def read_keywords(path: Path = CLDR_FILE) -> dict[str, tuple[str, ...]]:
    """English keywords of every emoji (glyph without variation selector -> lower-case phrases)."""
    keywords: dict[str, tuple[str, ...]] = {}
    for node in ElementTree.parse(path).iter("annotation"):
        if node.get("type") is None and node.text:
            words = tuple(word.strip().lower() for word in node.text.split("|"))
            keywords[node.get("cp", "")] = words
    return keywords


def load_concepts(path: Path = CLDR_FILE) -> list[Concept]:
    """All concepts in table order, with those CLDR keywords that point to one of them only."""
    names = _rows()
    keywords = read_keywords(path)
    taken = {name for own in names.values() for name in own}
    taken |= {word for name in taken for word in name.split()}
    taken |= COLOURS.keys() | COLOUR_ALIASES.keys() | VAGUE
    counts = Counter(word for glyph in names for word in set(keywords.get(glyph, ())))
    concepts = []
    for glyph, own in names.items():
        extra = [word for word in keywords.get(glyph, ()) if counts[word] == 1 and word not in taken]
        usable = tuple(sorted(word for word in extra if word.isascii() and word.isalpha()))
        concepts.append(Concept(own[0], glyph, own, usable))
    return concepts
