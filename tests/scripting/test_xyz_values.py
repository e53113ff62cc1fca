"""X/Y/Z plot: how values are written."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def values(scripts: Any) -> Any:
    """The script's module."""
    module = sys.modules[type(scripts.scripts["x/y/z plot"]).__module__]
    return importlib.import_module(".values", module.__package__)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1, 2,3", ["1", "2", "3"]),
        ('"a, b", c', ["a, b", "c"]),
        ("a,,b", ["a", "", "b"]),
        ("", []),
        ("one\ntwo", ["one", "two"]),
        ('say ""hi""', ['say ""hi""']),
    ],
)
def test_texts(values: Any, text: str, expected: list[str]) -> None:
    assert values.split(text) == expected


@given(
    st.lists(
        st.text(st.characters(exclude_categories=("C",)), min_size=1).map(str.strip).filter(bool), min_size=1
    )
)
def test_joined_texts_are_split_again(values: Any, texts: list[str]) -> None:
    assert values.split(values.joined(texts)) == texts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", [7]),
        ("-1, 5", [-1, 5]),
        ("1-5", [1, 2, 3, 4, 5]),
        ("1 - 5", [1, 2, 3, 4, 5]),
        ("1-5 (+2)", [1, 3, 5]),
        ("1-6 (+2)", [1, 3, 5]),
        ("10-5 (-3)", [10, 7]),
        ("5-1 (-1)", [5, 4, 3]),
        ("-3--1", [-3, -2, -1]),
        ("1-10 [5]", [1, 3, 5, 7, 10]),
        ("0-100[3]", [0, 50, 100]),
        ("1-3, 10, 20-40 [3]", [1, 2, 3, 10, 20, 30, 40]),
        ("5-1", []),
        (" , ", []),
    ],
)
def test_whole_numbers(values: Any, text: str, expected: list[int]) -> None:
    assert values.integers(values.split(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", [7.0]),
        ("1e-1", [0.1]),
        ("0-1 (+0.5)", [0, 0.5, 1]),
        ("1-4 (+2)", [1, 3, 5]),
        ("1.5-3", [1.5, 2.5, 3.5]),
        ("0-1 [3]", [0, 0.5, 1]),
        ("1-0 (-0.5)", [1, 0.5, 0]),
    ],
)
def test_fractions(values: Any, text: str, expected: list[float]) -> None:
    found = values.floats(values.split(text))
    assert found == pytest.approx(expected)
    assert {type(value) for value in found} <= {float}


@pytest.mark.parametrize("text", ["x", "1.5", "1-10 (+0)", "1-100000", "1-2 [100000]", "1-2 (2)", "1-5 [x]"])
def test_what_is_no_whole_number_is_refused(values: Any, text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        values.integers([text])


@pytest.mark.parametrize("text", ["x", "nan", "inf", "0-1 (+0)", "0-1 (+0.00001)", "0-1e9", "0-" + "9" * 400])
def test_what_is_no_fraction_is_refused(values: Any, text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        values.floats([text])


def test_orders(values: Any) -> None:
    assert values.orders(["a", "b"]) == [("a", "b"), ("b", "a")]
    assert len(values.orders(list("abcdefg"))) == 5040
    for many in (8, 100, 20_000):
        with pytest.raises(ValueError, match="more than 10000 orders"):
            values.orders(["x"] * many)


@given(st.text())
def test_any_text_is_read_or_refused(values: Any, text: str) -> None:
    for read in (values.integers, values.floats, values.orders):
        try:
            read(values.split(text))
        except (ValueError, OverflowError):
            continue
