"""Captions for scenes: what is in the picture, in the words people type, among words to ignore."""

from __future__ import annotations

import random
from functools import cache

from .scenes import Topic
from .vocabulary import COLOUR_ALIASES, COLOURS, Concept, common_names

BEFORE = (
    "a photo of", "a picture of", "an illustration of", "a drawing of", "a painting of", "an image of",
    "a portrait of", "an emoji of", "a close up of", "photo of", "picture of", "emoji of", "icon of",
    "one", "my", "this is", "draw", "show me", "a cartoon of", "a sticker of",
)  # fmt: skip
#: How people ask before they name the thing, and what they say after it.
OPENERS = (
    "please draw", "can you draw", "could you paint", "i want", "i want to see", "i would like", "i need",
    "let me see", "make", "make me", "create", "generate", "paint", "imagine", "here is", "there is",
    "we are looking for", "would you show us", "draw me", "get me", "how about", "what about", "just",
    "could i have", "do you know", "you see", "look at", "i love", "we like", "a very nice", "the finest",
    "the most beautiful", "my favourite", "the one and only", "some kind of", "a good",
)  # fmt: skip
CLOSERS = (
    "for me", "thanks", "thank you", "if you can", "for my mother", "for a friend", "for my friends",
    "for our team", "today", "as a logo", "as a drawing", "as a poster", "for a poster", "oil on canvas",
    "pencil drawing", "watercolour", "made of paper", "in watercolour", "in the world", "i have seen",
    "like a child would draw it", "ever seen", "of all time", "in great detail", "on my wall", "and so on",
    "for you", "to look at", "that i like", "by hand", "as always", "once more", "right now", "ok",
)  # fmt: skip
#: Common words; by themselves, in any order, they ask for nothing.
EVERYDAY = """
i you we they he she it me us them my your our his her its this that these those a an the some any every
of for to from by at into as about like than so such very too also just only even still please thanks is
are was be been being am do does did done have has had can could will would should may might must want
need like love make made give get got let see show look draw paint create find think know say tell take
put keep come go good best better great real really much many more most all best ever never always friend
friends mother child team idea thing things kind way world paper canvas style version here there when
where who what which how why if or but because while today tomorrow now then again one first last
"""
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
    "top left": ("in the top left corner", "in the upper left corner", "at the top left"),
    "top right": (
        "in the top right corner",
        "in the upper right corner",
        "in the corner",
        "at the top right",
    ),
    "bottom left": ("in the bottom left corner", "in the lower left corner", "at the bottom left"),
    "bottom right": ("in the bottom right corner", "in the lower right corner", "at the bottom right"),
}
COUNT_WORDS = {2: ("two", "two", "a pair of", "2"), 3: ("three", "three", "3"), 4: ("four", "four", "4")}
RELATION_WORDS = {
    "beside": ("and", "and", "and", "next to", "next to", "beside", "with", "left of", "to the left of"),
    "above": ("above", "over", "on top of"),
    "below": ("below", "under", "beneath"),
    "right of": ("right of", "to the right of"),
}
#: Share of captions without the object's name: they teach what a background word means by itself.
NAMELESS_SHARE = 0.03
#: What a syllable begins with, has in its middle, and ends with.
_ONSETS = (
    "b", "bl", "br", "c", "ch", "cl", "cr", "d", "dr", "f", "fl", "fr", "g", "gl", "gr", "h", "j",
    "k", "kn", "l", "m", "n", "p", "pl", "pr", "qu", "r", "s", "sh", "sk", "sl", "st", "t", "th",
    "tr", "v", "w",
)  # fmt: skip
_VOWELS = (
    "a", "a", "e", "e", "i", "i", "o", "o", "u", "ai", "au", "ea", "ee", "oa", "oo", "ou", "y",
)  # fmt: skip
_CODAS = (
    "", "", "", "ck", "d", "ff", "g", "l", "ll", "m", "n", "nd", "ng", "nt", "p", "r", "rd", "rt",
    "s", "sh", "st", "t", "tt", "x",
)  # fmt: skip


@cache
def _longer_words() -> tuple[str, ...]:
    """Words of more than three letters, whose halves invented words are made of."""
    names = [word for words in common_names().values() for name in words for word in name.split()]
    words = (*names, *ADJECTIVES, *EVERYDAY.split())
    return tuple(word for word in words if word.isalpha() and len(word) > 3)


def invented_word(rng: random.Random) -> str:
    """A word that nobody uses: of syllables, or of the halves of two words.

    A word that no caption had falls into tokens of words that one had, and means nothing all the same:
    that is learned from many such words only.
    """
    if rng.random() < 0.5:
        count = rng.randint(1, 3)
        return "".join(rng.choice(part) for _ in range(count) for part in (_ONSETS, _VOWELS, _CODAS))
    head, tail = rng.choices(_longer_words(), k=2)
    return head[: rng.randint(2, len(head) - 1)] + tail[-rng.randint(2, len(tail) - 1) :]


def filler_word(rng: random.Random) -> str:
    """A word that means nothing to the model: an invented one, or one that is in every sentence."""
    return rng.choice(EVERYDAY.split()) if rng.random() < 0.4 else invented_word(rng)


def filler_words(rng: random.Random) -> str:
    """One to four of them."""
    return " ".join(filler_word(rng) for _ in range(rng.randint(1, 4)))


def asked(rng: random.Random, phrase: str) -> str:
    """``phrase`` as a person would ask for it."""
    way = rng.random()
    if way < 0.2:
        return f"{rng.choice(BEFORE)} {phrase}"
    if way < 0.32:
        phrase = f"{rng.choice(OPENERS)} {phrase}"
    elif way < 0.4:
        phrase = f"{filler_words(rng)} {phrase}"
    ending = rng.random()
    if ending < 0.1:
        return phrase + rng.choice((" ", " ", ", ")) + rng.choice(CLOSERS)
    return f"{phrase} {filler_words(rng)}" if ending < 0.25 else phrase


def colour_word(rng: random.Random, name: str) -> str:
    """The colour's name or another spelling of it."""
    return rng.choice([name, name, *(alias for alias, meant in COLOUR_ALIASES.items() if meant == name)])


def plural(name: str) -> str:
    """The plural of an English name, by the plain rules."""
    if name.endswith(("s", "x", "ch", "sh")):
        return name if name.endswith("s") else name + "es"
    if name.endswith("y") and name[-2:-1] not in tuple("aeiou"):
        return name[:-1] + "ies"
    return name + "s"


def concept_name(rng: random.Random, concept: Concept) -> str:
    """One of the concept's names, the key most often."""
    if concept.synonyms and rng.random() < 0.2:
        return rng.choice(concept.synonyms)
    return rng.choice(concept.names) if rng.random() < 0.5 else concept.key


def _decorated(rng: random.Random, name: str) -> list[str]:
    words = [name]
    if rng.random() < 0.2:
        words.insert(0, rng.choice(ADJECTIVES) if rng.random() < 0.7 else filler_word(rng))
    if rng.random() < 0.04:
        # The glyphs have colours of their own: a colour before the object is a word to ignore.
        words.insert(0, rng.choice(list(COLOURS)))
    return words


def _with_article(rng: random.Random, words: list[str]) -> str:
    if rng.random() < 0.6:
        words = [rng.choice(["the", "an" if words[0][0] in "aeiou" else "a", "a", "a", "one"]), *words]
    return " ".join(words)


def object_phrase(rng: random.Random, topic: Topic) -> str:
    """The things with article, adjectives, size and number, and how they stand to each other."""
    first = topic.concepts[0]
    if topic.count > 1:
        return f"{rng.choice(COUNT_WORDS[topic.count])} {plural(concept_name(rng, first))}"
    words = _decorated(rng, concept_name(rng, first))
    if topic.size is not None:
        words.insert(0, rng.choice(SIZE_WORDS[topic.size]))
    phrase = _with_article(rng, words)
    if topic.relation is not None:
        other = _with_article(rng, _decorated(rng, concept_name(rng, topic.concepts[1])))
        return f"{phrase} {rng.choice(RELATION_WORDS[topic.relation])} {other}"
    return phrase


def caption(rng: random.Random, topic: Topic) -> str:
    """A caption of ``topic``, never empty unless the topic says nothing."""
    nameless = topic.background is not None and rng.random() < NAMELESS_SHARE
    parts: list[str] = []
    if not nameless:
        parts.append(asked(rng, object_phrase(rng, topic)))
        if topic.position is not None:
            parts[0] += " " + rng.choice(POSITION_WORDS[topic.position])
    if topic.background is not None:
        parts.append(rng.choice(BACKGROUNDS).format(colour_word(rng, topic.background)))
    if len(parts) > 1 and rng.random() < 0.15:
        parts.append(parts.pop(0))
    text = rng.choice([" ", ", "]).join(parts)
    for _ in range(rng.choice([0, 0, 0, 1, 1, 2, 3])):
        text += ", " + (rng.choice(AFTER) if rng.random() < 0.7 else filler_word(rng))
    return text
