from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdapi_compat.errors import Fault
from sdapi_compat.prompt import attention
from sdapi_compat.prompt.attention import Fragment
from sdapi_compat.prompt.emphasis import Emphasis, fragments


@pytest.mark.parametrize(
    ("option", "mode"),
    [
        ("Original", Emphasis.ORIGINAL),
        ("No norm", Emphasis.NO_NORM),
        ("Ignore", Emphasis.IGNORE),
        ("None", Emphasis.NONE),
        ("none", Emphasis.ORIGINAL),
        ("", Emphasis.ORIGINAL),
        ("Compel", Emphasis.ORIGINAL),
    ],
)
def test_named(option: str, mode: Emphasis) -> None:
    assert Emphasis.named(option) is mode


@pytest.mark.parametrize("mode", [Emphasis.ORIGINAL, Emphasis.NO_NORM, Emphasis.IGNORE])
@pytest.mark.parametrize("text", ["a (red:1.5) apple", "a BREAK b", r"\(x\)", ""])
def test_parsing_modes(text: str, mode: Emphasis) -> None:
    assert fragments(text, mode) == attention.parse(text)


@pytest.mark.parametrize("text", ["a (red:1.5) apple", "a BREAK b", r"\(x\)", "", "(a:1.2.3)"])
def test_none_is_one_literal_fragment(text: str) -> None:
    assert fragments(text, Emphasis.NONE) == [Fragment(text, 1.0)]


def test_a_bare_break_under_none_is_text() -> None:
    (fragment,) = fragments("BREAK", Emphasis.NONE)
    assert not fragment.is_break


@pytest.mark.parametrize("mode", [Emphasis.ORIGINAL, Emphasis.NO_NORM, Emphasis.IGNORE])
def test_malformed_weight(mode: Emphasis) -> None:
    with pytest.raises(Fault, match=r"'1\.2\.3'"):
        fragments("(a:1.2.3)", mode)


@given(st.text())
@settings(max_examples=100, deadline=None)
def test_none_takes_any_text(text: str) -> None:
    assert fragments(text, Emphasis.NONE) == [Fragment(text, 1.0)]
