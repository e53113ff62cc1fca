from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdapi_compat.prompt.comments import strip_comments


@pytest.mark.parametrize(
    ("text", "stripped"),
    [
        ("", ""),
        ("a cat", "a cat"),
        ("a\nb", "a\nb"),
        # A comment line goes with the newlines on both sides, one newline is left.
        ("# all", "\n"),
        ("# first\na", "\na"),
        ("a\n# middle\nb", "a\nb"),
        ("a\n# last", "a\n"),
        ("a\n# last\n", "a\n"),
        # A comment at the end of a line takes the newline after it.
        ("a # tail", "a \n"),
        ("a # tail\nb", "a \nb"),
        ("a # one # two\nb", "a \nb"),
        # The first line takes the newline between two, so the second is no longer at a line's start.
        ("a\n# one\n# two\nb", "a\n\nb"),
        ("#\n#\n#\n", "\n\n"),
        # Only at the start of a line, not after spaces.
        ("a\n  # x\nb", "a\n  \nb"),
        # Every "#" is a comment.
        ("a #ff0000 wall, big", "a \n"),
        ("C# code\nb", "C\nb"),
        ("\\# escaped", "\\\n"),
        ("a\r\n# x\r\nb", "a\r\nb"),
    ],
)
def test_strip_comments(text: str, stripped: str) -> None:
    assert strip_comments(text) == stripped


@given(st.text(alphabet="ab #\n\r", max_size=60))
@settings(max_examples=200, deadline=None)
def test_no_hash_is_left_and_twice_is_once(text: str) -> None:
    once = strip_comments(text)
    assert "#" not in once
    assert strip_comments(once) == once


@given(st.text(alphabet=st.characters(blacklist_characters="#")))
@settings(max_examples=50, deadline=None)
def test_text_without_hash_is_kept(text: str) -> None:
    assert strip_comments(text) == text


@given(st.text(alphabet="ab #\n", max_size=60))
@settings(max_examples=200, deadline=None)
def test_what_is_kept_is_what_stands_before_each_hash(text: str) -> None:
    kept = "".join(line.partition("#")[0] for line in text.split("\n"))
    assert strip_comments(text).replace("\n", "") == kept
