"""Scenes and captions: what words pin stays, what they leave open varies with the seed."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest

pytest.importorskip("PIL")

from sdapi_compat.embedded import CHECKPOINT_DIR
from sdapi_compat.embedded.train import scenes
from sdapi_compat.embedded.train.captions import RELATION_WORDS, caption, invented_word, plural
from sdapi_compat.embedded.train.glyphs import FONT_FILE
from sdapi_compat.embedded.train.parts import CLIPTokenizer
from sdapi_compat.embedded.train.scenes import Topic, plain_scene, render, sample_topic, varied_scene
from sdapi_compat.embedded.train.vocabulary import COLOURS, Concept, concept_keys

pytestmark = pytest.mark.skipif(not FONT_FILE.exists(), reason="needs fonts-noto-color-emoji")
CAT, TREE = Concept("cat", "🐱", ("cat", "kitty"), ()), Concept("tree", "🌳", ("tree",), ("deciduous",))
BOTH = [CAT, TREE]


def ink(picture, colour: str) -> np.ndarray:
    """Where the picture is not of the background's colour."""
    return np.abs(np.asarray(picture, dtype=int) - COLOURS[colour]).max(axis=2) > 40


def test_plain_scene_is_the_same_every_time_and_varied_one_is_not() -> None:
    topic = Topic((CAT,), "blue")
    assert plain_scene(topic) == plain_scene(topic)
    rng = random.Random(1)
    assert varied_scene(rng, topic) != varied_scene(rng, topic)


@pytest.mark.parametrize(("position", "left", "top"), [("left", True, None), ("bottom right", False, False)])
def test_position_is_where_the_glyph_goes(position: str, left: bool, top: bool | None) -> None:
    drawn = ink(render(plain_scene(Topic((CAT,), "white", position=position)), 64), "white")
    rows, columns = np.nonzero(drawn)
    assert bool(columns.mean() < 32) is left
    if top is not None:
        assert bool(rows.mean() < 32) is top


def test_pairs_stand_as_the_relation_says() -> None:
    for relation, (first, second) in scenes.PAIRS.items():
        placements = plain_scene(Topic((CAT, TREE), relation=relation)).placements
        assert [placement.concept.key for placement in placements] == ["cat", "tree"]
        assert [placement.centre for placement in placements] == [first, second]


@pytest.mark.parametrize("count", [2, 3, 4])
def test_copies_are_as_many_as_asked(count: int) -> None:
    assert len(plain_scene(Topic((TREE,), count=count)).placements) == count


def test_glyph_keeps_its_shape_on_a_wide_canvas() -> None:
    drawn = ink(render(plain_scene(Topic((CAT,), "green")), 96, 64), "green")
    rows, columns = np.nonzero(drawn)
    assert 0.8 < (np.ptp(columns) + 1) / (np.ptp(rows) + 1) < 1.3


def test_positions_are_those_of_the_middle_square() -> None:
    scene = plain_scene(Topic((CAT,), "green", position="left"))
    wide = np.asarray(render(scene, 160, 64))
    assert np.array_equal(wide[:, 48:112], np.asarray(render(scene, 64)))
    assert (wide[:, :48] == COLOURS["green"]).all()


def test_samples_cover_every_kind_of_topic() -> None:
    rng = random.Random(3)
    topics = [sample_topic(rng, BOTH) for _ in range(2000)]
    assert {topic.count for topic in topics} == {1, 2, 3, 4}
    assert {topic.relation for topic in topics} == {None, *scenes.PAIRS}
    assert {topic.position for topic in topics} == {None, *scenes.POSITIONS}
    assert {topic.size for topic in topics} == {None, "small", "big"}
    assert {topic.background for topic in topics} == {None, *COLOURS}


def test_captions_say_what_the_topic_pins() -> None:
    rng = random.Random(5)
    names = {"cat", "kitty", "tree", "deciduous", "cats", "kitties", "trees", "deciduouses"}
    for _ in range(500):
        topic = sample_topic(rng, BOTH)
        words = caption(rng, topic)
        named = names & set(words.replace(",", "").split())
        assert named or topic.background is not None, words
        if topic.background is not None:
            aliases = {"gray": "grey", "purple": "violet"}
            assert topic.background in words or aliases[topic.background] in words
        if topic.relation is not None and named:
            assert any(f" {word} " in words for word in RELATION_WORDS[topic.relation]), words


def test_invented_words_are_new_and_fall_into_many_of_the_shipped_tokens() -> None:
    rng = random.Random(7)
    words = [invented_word(rng) for _ in range(4000)]
    assert len(set(words)) > 3500
    assert all(word.isalpha() and word.islower() for word in words)
    assert sum(word in concept_keys() for word in words) < 20
    tokenizer = CLIPTokenizer.from_pretrained(CHECKPOINT_DIR / "tokenizer")
    tokens = {token for word in words for token in tokenizer.tokenize(word)}
    beginnings = {token for token in tokenizer.get_vocab() if re.fullmatch("[a-z]+", token)}
    assert len(beginnings & tokens) > 0.4 * len(beginnings)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("cat", "cats"), ("cherry", "cherries"), ("key", "keys"), ("fox", "foxes"), ("glasses", "glasses")],
)
def test_plural(name: str, wanted: str) -> None:
    assert plural(name) == wanted
