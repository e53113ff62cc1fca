"""One value at a time; the whole tables are compared in test_coerce."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import inspect

from sdapi_compat.schema import scalars
from sdapi_compat.schema.scalars import Unfit


@pytest.mark.parametrize(("value", "number"), [("20", 20), (" 20 ", 20), (20.9, 20), (-2.7, -2), (True, 1)])
def test_integers(value: Any, number: int) -> None:
    result = scalars.integer(value)
    assert result == number
    assert type(result) is int


@pytest.mark.parametrize("value", ["", "x", "2.7", [], {}, float("inf"), float("nan"), "1" * 4301])
def test_no_integers(value: Any) -> None:
    with pytest.raises(Unfit) as caught:
        scalars.integer(value)
    assert caught.value.kind == "type_error.integer"


@pytest.mark.parametrize(("value", "number"), [(7, 7.0), ("7.5", 7.5), (True, 1.0), ("1e3", 1000.0)])
def test_floats(value: Any, number: float) -> None:
    result = scalars.floating(value)
    assert result == number
    assert type(result) is float


def test_an_integer_beyond_all_floats_is_no_float() -> None:
    with pytest.raises(Unfit):
        scalars.floating(10**400)


@pytest.mark.parametrize("value", [2, -1, 0.5, "", "tru", "null", [], {}, float("nan")])
def test_no_booleans(value: Any) -> None:
    with pytest.raises(Unfit):
        scalars.boolean(value)


@pytest.mark.parametrize(("value", "meaning"), [(1.0, True), (0, False), ("OFF", False), ("Y", True)])
def test_booleans(value: Any, meaning: bool) -> None:
    assert scalars.boolean(value) is meaning


@pytest.mark.parametrize(("value", "text"), [(5, "5"), (7.0, "7.0"), (True, "True"), ("", "")])
def test_texts(value: Any, text: str) -> None:
    assert scalars.text(value) == text


def test_an_integer_too_long_to_write_is_no_text() -> None:
    with pytest.raises(Unfit):
        scalars.text(10**5000)


@pytest.mark.parametrize("value", [[], {}])
def test_no_texts(value: Any) -> None:
    with pytest.raises(Unfit):
        scalars.text(value)


@pytest.mark.parametrize(
    ("value", "pairs"),
    [([], {}), ("", {}), ([["a", 1]], {"a": 1}), (["ab"], {"a": "b"}), ({"a": 1}, {"a": 1})],
)
def test_mappings(value: Any, pairs: dict[str, Any]) -> None:
    assert scalars.mapping(value) == pairs


@pytest.mark.parametrize("value", [5, "abc", [1], [["a"]], [[[], 1]], b"x"])
def test_no_mappings(value: Any) -> None:
    with pytest.raises(Unfit) as caught:
        scalars.mapping(value)
    assert caught.value.kind == "type_error.dict"


def test_records_have_texts_for_names() -> None:
    assert scalars.record([["a", 1]]) == {"a": 1}
    with pytest.raises(Unfit, match="keywords must be strings"):
        scalars.record([[1, 2]])


def test_constants_are_not_converted() -> None:
    assert scalars.constant(1.0, (0, 1)) == 1
    assert type(scalars.constant(True, (0, 1))) is int
    with pytest.raises(Unfit, match="permitted: 0, 1"):
        scalars.constant("1", (0, 1))


@pytest.mark.parametrize(
    ("bounds", "inside", "outside", "word"),
    [
        (inspect.FloatType(gt=0), 0.1, 0.0, "not_gt"),
        (inspect.FloatType(ge=0), 0.0, -0.1, "not_ge"),
        (inspect.FloatType(lt=1), 0.9, 1.0, "not_lt"),
        (inspect.IntType(le=1), 1, 2, "not_le"),
        (inspect.FloatType(ge=0, le=1), 1.0, float("nan"), "not_ge"),
    ],
)
def test_bounds(bounds: Any, inside: float, outside: float, word: str) -> None:
    scalars.within(inside, bounds)
    with pytest.raises(Unfit) as caught:
        scalars.within(outside, bounds)
    assert caught.value.kind == f"value_error.number.{word}"
