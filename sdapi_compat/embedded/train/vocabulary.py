"""The concepts the embedded checkpoint can draw, and the words that name them.

A concept is one glyph of Noto Color Emoji: every emoji of Unicode's CLDR that the font draws, but for
flags, keycaps, skin tones and variants of one role by gender. Its names are CLDR's; the words people type
first stand in :data:`COMMON` and go before those. Keywords of CLDR are added where one concept has a claim to
them.
"""

from __future__ import annotations

import re
import unicodedata
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from .glyphs import EMOJI_FORM, can_draw

CLDR_FOLDER = Path("/usr/share/unicode/cldr/common")
CLDR_FILES = (CLDR_FOLDER / "annotations/en.xml", CLDR_FOLDER / "annotationsDerived/en.xml")

#: One line per concept: glyph, then the names people type; the first is the concept's key.
COMMON = """
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
    "wise", "bearer", "pretty", "spots", "female", "male", "rays", "weather", "danger", "tool", "sweat",
    "plant", "falling", "food", "hot", "cold", "ear", "soft", "breakfast", "steaming", "instrument",
    "music", "video", "cell", "personal", "engine", "delivery", "passenger", "resort", "death", "young",
    "father", "spouting", "lock", "africa", "europe", "maze", "jack", "pc", "european", "hoop",
    "password", "and", "in", "on", "with", "a", "the", "of", "small", "big", "large", "little", "tiny",
    "huge", "giant", "two", "three", "four", "one", "left", "right", "top", "bottom", "corner", "center",
    "background", "next", "to", "above", "below", "beside", "over", "under", "old", "new", "happy",
    "cute", "beautiful", "nice", "animal", "person", "face", "button", "symbol", "sign", "nature",
    "drink", "sport", "object", "building", "vehicle", "adult", "body", "gesture", "emotion", "color",
    "colour",
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


#: The code point that joins several glyphs to one.
JOINER = "\u200d"
_GENDER_SIGNS = frozenset("♀♂")
_PEOPLE = frozenset("👨👩🧑")
_CHILDREN = frozenset("👦👧🧒")


@dataclass(frozen=True)
class Concept:
    """One drawable thing: its key, its glyph, its own names, and further words from CLDR."""

    key: str
    glyph: str
    names: tuple[str, ...]
    synonyms: tuple[str, ...]


@dataclass(frozen=True)
class Annotation:
    """What CLDR says of one emoji: its name and its keywords, in lower-case ASCII."""

    name: str
    keywords: tuple[str, ...]


def common_names() -> dict[str, tuple[str, ...]]:
    """The names in :data:`COMMON` by glyph, in table order."""
    rows = (line.split(" ", 1) for line in COMMON.strip().splitlines())
    return {glyph: tuple(word.strip() for word in words.split(",")) for glyph, words in rows}


def concept_keys() -> list[str]:
    """The keys of the concepts in :data:`COMMON`, which come first among all."""
    return [names[0] for names in common_names().values()]


def _plain(text: str) -> str:
    """``text`` in lower-case ASCII letters, digits, hyphens and apostrophes."""
    text = unicodedata.normalize("NFKD", text.lower().replace("’", "'"))
    text = re.sub(r"[^a-z0-9' -]+", " ", text.encode("ascii", "ignore").decode())
    return " ".join(text.split())


def _is_left_out(glyph: str) -> bool:
    """Flags, skin tones, keycaps and their digits."""
    codes = [ord(letter) for letter in glyph]
    if any(0x1F3FB <= code <= 0x1F3FF or 0x1F1E6 <= code <= 0x1F1FF or code == 0x20E3 for code in codes):
        return True
    return glyph.isascii() or any(0xE0000 <= code <= 0xE007F for code in codes)


def read_annotations(files: tuple[Path, ...] = CLDR_FILES) -> dict[str, Annotation]:
    """CLDR's English names and keywords by glyph (without :data:`EMOJI_FORM`), in CLDR's order."""
    names: dict[str, str] = {}
    keywords: dict[str, tuple[str, ...]] = {}
    for file in files:
        for node in ElementTree.parse(file).iter("annotation"):
            glyph, text = node.get("cp", "").replace(EMOJI_FORM, ""), node.text or ""
            if node.get("type") == "tts":
                names[glyph] = _plain(text)
            else:
                keywords[glyph] = tuple(dict.fromkeys(_plain(word) for word in text.split("|")))
    return {glyph: Annotation(name, keywords.get(glyph, ())) for glyph, name in names.items() if name}


def base_of(glyph: str) -> str:
    """The glyph that ``glyph`` is a variant of by gender or by the members of a family; else itself."""
    parts = [part for part in glyph.split(JOINER) if part not in _GENDER_SIGNS]
    if len(parts) > 1 and parts[0] in _PEOPLE:
        if any(part in _CHILDREN for part in parts):
            return "👪"
        if "💋" in parts:
            return "💏"
        if "❤" in parts:
            return "💑"
        if parts[1] not in _PEOPLE | {"🤝"}:
            parts[0] = "🧑"
    return JOINER.join(parts)


def _claims(own: dict[str, tuple[str, ...]], notes: dict[str, Annotation]) -> dict[str, str]:
    """Who has a keyword: whom few others share it with, best the one whose name has it as a word."""
    holders: dict[str, list[str]] = defaultdict(list)
    for glyph in own:
        for word in notes[glyph].keywords if glyph in notes else ():
            holders[word].append(glyph)
    taken = {name for names in own.values() for name in names}
    owners: dict[str, str] = {}
    for word, glyphs in holders.items():
        if word in taken or word in VAGUE or word in COLOURS or word in COLOUR_ALIASES or len(word) < 2:
            continue
        named = [glyph for glyph in glyphs if word in " ".join(own[glyph]).split()]
        if named and len(named) <= 4:
            owners[word] = min(named, key=lambda glyph: len(notes[glyph].name))
        elif len(glyphs) <= 2:
            owners[word] = glyphs[0]
    return owners


def _all_names(notes: dict[str, Annotation]) -> dict[str, tuple[str, ...]]:
    """The names of every glyph that is drawn: the common ones, its own, and those of its variants."""
    common = common_names()
    names = {glyph: list(words) for glyph, words in common.items()}
    taken = {name for own in names.values() for name in own}
    for glyph, note in notes.items():
        base = base_of(glyph) if base_of(glyph) in notes else glyph
        named_out = {"flag", "keycap"} & set(note.name.split())
        drawn = not _is_left_out(glyph) and not named_out and can_draw(base)
        if drawn and note.name not in taken:
            own = names.setdefault(base, [])
            # A variant's name goes after the one that the drawn glyph has itself.
            own.insert(0 if glyph == base and base not in common else len(own), note.name)
            taken.add(note.name)
    return {glyph: tuple(words) for glyph, words in names.items()}


def load_concepts(files: tuple[Path, ...] = CLDR_FILES) -> list[Concept]:
    """All concepts, those in :data:`COMMON` first, then in CLDR's order."""
    notes = read_annotations(files)
    names = _all_names(notes)
    synonyms: dict[str, list[str]] = defaultdict(list)
    for word, glyph in _claims(names, notes).items():
        synonyms[glyph].append(word)
    return [Concept(own[0], glyph, own, tuple(synonyms[glyph])) for glyph, own in names.items()]
