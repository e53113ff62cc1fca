"""Script arguments: described in order, bound from positions."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest

from sdapi_compat.errors import InvalidRequest
from sdapi_compat.scripting.arguments import ArgumentInfo, argument, bind, describe, refused


class Arguments(msgspec.Struct):
    """Of every kind that matters."""

    flag: Annotated[bool, argument("A flag")] = False
    size: Annotated[int, argument("A size", minimum=0, maximum=500, step=2)] = 8
    word: Annotated[str, argument("A word", choices=["red", "green"])] = "red"
    plain: float = 0.5
    maybe: int | None = None


def test_arguments_are_described_in_order() -> None:
    assert describe(Arguments) == [
        ArgumentInfo("A flag", False, None, None, None, None),
        ArgumentInfo("A size", 8, 0, 500, 2, None),
        ArgumentInfo("A word", "red", None, None, None, ["red", "green"]),
        ArgumentInfo("plain", 0.5, None, None, None, None),
        ArgumentInfo("maybe", None, None, None, None, None),
    ]


def test_positions_become_fields() -> None:
    assert bind(Arguments, [True, 4, "green", 1.5, 7], ()) == Arguments(True, 4, "green", 1.5, 7)


@pytest.mark.parametrize("values", [[], [True], [True, 2, "x", 1, None, "surplus", 9]])
def test_missing_values_are_defaults_and_surplus_ones_dropped(values: list[Any]) -> None:
    bound = bind(Arguments, values, ())
    names = ("flag", "size", "word", "plain", "maybe")
    expected = Arguments(**dict(zip(names, values, strict=False)))
    assert bound == expected


def test_numbers_as_text_are_numbers() -> None:
    assert bind(Arguments, ["true", "12"], ()).size == 12


def test_limits_and_choices_are_shown_but_not_enforced() -> None:
    assert bind(Arguments, [False, 1000, "blue"], ()) == Arguments(False, 1000, "blue")


@pytest.mark.parametrize(("values", "place"), [(["maybe"], 0), ([False, "wide"], 1), ([False, 1, 7], 2)])
def test_a_wrong_type_is_named_by_its_place(values: list[Any], place: int) -> None:
    with pytest.raises(InvalidRequest) as caught:
        bind(Arguments, values, ("body", "script_args"))
    (problem,) = caught.value.problems
    assert problem.loc == ("body", "script_args", place)
    assert problem.type == "type_error"


class WithPrefix(msgspec.Struct):
    """One field's name begins another's."""

    seed: int = 0
    seeds: int = 0


def test_a_name_that_begins_another_is_told_apart() -> None:
    with pytest.raises(InvalidRequest) as caught:
        bind(WithPrefix, [1, "many"], ())
    assert caught.value.problems[0].loc == (1,)


def test_the_json_schema_tells_limits_and_choices() -> None:
    (_,), components = msgspec.json.schema_components([Arguments])
    properties = components["Arguments"]["properties"]
    assert properties["size"]["title"] == "A size"
    assert (properties["size"]["minimum"], properties["size"]["maximum"]) == (0, 500)
    assert properties["word"]["enum"] == ["red", "green"]


class ByRoute(msgspec.Struct):
    """Choices that depend on the route, and an empty list of them."""

    axis: Annotated[str, argument("Axis", choices={"txt2img": ("a", "b"), "img2img": ("c",)})] = "a"
    names: Annotated[list[str] | None, argument("Names", choices=())] = None


def test_choices_may_depend_on_the_route() -> None:
    assert [info.choices for info in describe(ByRoute)] == [["a", "b"], []]
    assert [info.choices for info in describe(ByRoute, "img2img")] == [["c"], []]
    (_,), components = msgspec.json.schema_components([ByRoute])
    assert "enum" not in components["ByRoute"]["properties"]["axis"]
    assert "enum" not in components["ByRoute"]["properties"]["names"]


def test_a_refusal_names_the_place() -> None:
    assert refused("too many", 3).problems[0].loc == ("body", "script_args", 3)
    assert refused("too many").problems[0].body() == {
        "loc": ["body", "script_args"],
        "msg": "too many",
        "type": "value_error",
    }
