"""Taking styles out of prompts again."""

from __future__ import annotations

import time
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from sdapi_compat.metadata.styles import no_styles, style_extractor
from sdapi_compat.prompt.styles import Style, StyleBook


class Entry(NamedTuple):
    """Any object with these three attributes is a style."""

    name: str
    prompt: str | None = ""
    negative_prompt: str | None = ""


def test_a_style_at_the_end_of_both_prompts_is_taken_out() -> None:
    extract = style_extractor([Entry("photo", "sharp, 35mm", "drawing")])
    assert extract("a cat, sharp, 35mm", "blurry, drawing") == (["photo"], "a cat", "blurry")
    assert extract("sharp, 35mm", "drawing") == (["photo"], "", "")


def test_both_prompts_must_match() -> None:
    extract = style_extractor([Entry("photo", "sharp", "drawing")])
    assert extract("a cat, sharp", "blurry") == ([], "a cat, sharp", "blurry")
    assert extract("a cat", "blurry, drawing") == ([], "a cat", "blurry, drawing")


def test_an_empty_half_matches_anything() -> None:
    extract = style_extractor([Entry("photo", "sharp", "")])
    assert extract("a cat, sharp", "blurry") == (["photo"], "a cat", "blurry")


def test_a_placeholder_is_replaced_by_the_prompt() -> None:
    extract = style_extractor([Entry("film", "a photo of {prompt}, 35mm", "")])
    assert extract("a photo of a cat, 35mm", "") == (["film"], "a cat", "")
    assert extract("a photo of a cat", "") == ([], "a photo of a cat", "")


def test_a_placeholder_style_needs_room_for_both_its_ends() -> None:
    extract = style_extractor([Entry("both", "ab {prompt} b ab", "")])
    assert extract("ab b ab", "") == ([], "ab b ab", "")


def test_names_come_in_the_order_of_application() -> None:
    styles = [Entry("second", "b"), Entry("first", "a")]
    assert style_extractor(styles)("cat, a, b", "") == (["first", "second"], "cat", "")


def test_every_style_is_found_once() -> None:
    assert style_extractor([Entry("a", "x")])("cat, x, x", "") == (["a"], "cat, x", "")


def test_dividers_and_empty_styles_are_never_found() -> None:
    extract = style_extractor([Entry("--- FILE ---", None, None), Entry("empty")])
    assert extract("a cat", "") == ([], "a cat", "")


def test_a_style_with_only_a_negative_prompt() -> None:
    extract = style_extractor([Entry("clean", None, "noise")])
    assert extract("a cat", "noise") == (["clean"], "a cat", "")


def test_prompts_without_styles_keep_their_spaces() -> None:
    extract = style_extractor([Entry("a", "sharp")])
    assert extract("a  cat ", " b") == ([], "a  cat ", " b")
    assert extract("a  cat, sharp", "  b") == (["a"], "a cat", "b")
    assert no_styles("a  cat ", " b") == ([], "a  cat ", " b")


def test_a_long_prompt_and_many_styles() -> None:
    extract = style_extractor([Entry(f"s{i}", f"text {i} {{prompt}}") for i in range(2000)])
    started = time.process_time()
    assert extract("a  " * 300_000, "").names == []
    assert time.process_time() - started < 5


WORDS = st.lists(st.sampled_from(["cat", "tall tree", "(red:1.2)", "sea"]), min_size=1, max_size=3).map(
    ", ".join
)


@settings(max_examples=100, deadline=None)
@given(WORDS, st.permutations(["one", "two", "three"]), st.integers(0, 3))
def test_extraction_undoes_application(prompt: str, order: list[str], count: int) -> None:
    book = StyleBook(
        [
            Style("one", "style of one", "not one"),
            Style("two", "by two: {prompt} (two)", ""),
            Style("three", "", "three, third"),
        ]
    )
    names = order[:count]
    styled = book.apply(prompt, "bad", names)
    found = style_extractor(book.list())(*styled)
    assert (set(found.names), found.prompt, found.negative_prompt) == (set(names), prompt, "bad")
    assert book.apply(found.prompt, found.negative_prompt, found.names) == styled
