"""The concepts: which emoji are one, and who has a word."""

from __future__ import annotations

import pytest

pytest.importorskip("PIL")

from sdapi_compat.embedded.train.glyphs import FONT_FILE, can_draw, glyph_image
from sdapi_compat.embedded.train.vocabulary import (
    CLDR_FILES,
    COLOURS,
    VAGUE,
    base_of,
    common_names,
    concept_keys,
    load_concepts,
)

needs_sources = pytest.mark.skipif(
    not (FONT_FILE.exists() and all(file.exists() for file in CLDR_FILES)),
    reason="needs the Debian packages fonts-noto-color-emoji and unicode-cldr-core",
)


def test_common_keys_are_unique_and_in_table_order() -> None:
    keys = concept_keys()
    assert len(keys) == len(set(keys)) == 113
    assert keys[:3] == ["cat", "dog", "sun"]
    assert common_names()["🐶"][:3] == ("dog", "puppy", "maltese puppy")


@pytest.mark.parametrize(
    ("glyph", "base"),
    [
        ("👩‍🏫", "🧑‍🏫"),
        ("🏃‍♀", "🏃"),
        ("👨‍👩‍👧‍👦", "👪"),
        ("👩‍❤‍💋‍👨", "💏"),
        ("👩‍❤‍👨", "💑"),
        ("👩‍🦰", "🧑‍🦰"),
        ("🐻‍❄", "🐻‍❄"),
        ("👩", "👩"),
        ("🐱", "🐱"),
    ],
)
def test_variants_lead_to_what_is_drawn_for_them(glyph: str, base: str) -> None:
    assert base_of(glyph) == base


@needs_sources
def test_all_emoji_but_flags_keycaps_and_tones_are_concepts() -> None:
    concepts = load_concepts()
    assert 1300 <= len(concepts) <= 1450
    keys = [concept.key for concept in concepts]
    assert len(keys) == len(set(keys))
    assert keys[: len(concept_keys())] == concept_keys()
    assert {"camel", "printer", "nine o'clock", "teacher", "pinata", "face with monocle"} <= set(keys)
    assert not [key for key in keys if "flag" in key.split() or "keycap" in key or "skin tone" in key]
    assert all(can_draw(concept.glyph) for concept in concepts[::40])


@needs_sources
def test_a_word_means_one_concept() -> None:
    concepts = load_concepts()
    words = [word for concept in concepts for word in (*concept.names, *concept.synonyms)]
    assert len(words) == len(set(words))
    assert all(word == word.lower() and word.isascii() for word in words)
    assert not (VAGUE | set(COLOURS)) & {word for concept in concepts for word in concept.synonyms}
    owner = {word: concept.key for concept in concepts for word in (*concept.names, *concept.synonyms)}
    assert (owner["puppy"], owner["woman teacher"], owner["sled"]) == ("dog", "teacher", "sled")


@needs_sources
def test_a_glyph_without_a_picture_is_refused() -> None:
    assert glyph_image("🐱").mode == "RGBA"
    with pytest.raises(ValueError, match="draws nothing"):
        glyph_image("​")
