"""X/Y/Z plot: arguments that make no sense, and cells that fail."""

from __future__ import annotations

from typing import Any

import pytest

from sdapi_compat.errors import ApiError, Fault, InvalidRequest
from tests.scripting.xyz import NOTHING, PLAIN, TITLE, arguments


def test_an_axis_may_be_null(play: Any, txt2img: Any) -> None:
    played = play(TITLE, txt2img(), arguments((4, "3"), (None, None, None), (None, None, None)))
    assert len(played.asked) == 1


@pytest.mark.parametrize(
    ("asked", "place", "message"),
    [
        ([], 1, "ensure Seed has at least one value"),
        (arguments((4, "")), 1, "ensure Steps has at least one value"),
        (arguments((42, "1")), 0, "ensure the type of axis is 0 to 41 or a name in the list"),
        (arguments((-1, "1")), 0, "ensure the type of axis is 0 to 41 or a name in the list"),
        (arguments(("Image CFG Scale", "1")), 0, "ensure the type of axis is 0 to 41 or a name in the list"),
        (arguments(NOTHING, (4, "x")), 4, "Steps: invalid literal for int() with base 10: 'x'"),
        (arguments(NOTHING, NOTHING, (6, "nan")), 7, "CFG Scale: nan is no number to draw with"),
        (arguments((41, "wide")), 1, "Size: invalid literal for int() with base 10: 'wide'"),
    ],
)
def test_senseless_arguments_are_named(
    play: Any, txt2img: Any, asked: list[Any], place: int, message: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        play(TITLE, txt2img(), asked)
    (problem,) = caught.value.problems
    assert (problem.loc, problem.msg) == (("body", "script_args", place), message)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (arguments((9, "", ["DPM++ 2M Karras"])), "Unknown sampler: DPM++ 2M Karras"),
        (arguments((11, "", ["nothing"])), "Unknown checkpoint: nothing"),
        (arguments((37, "", ["nothing"])), "Unknown checkpoint: nothing"),
    ],
)
def test_unknown_names_are_runtime_errors(play: Any, txt2img: Any, asked: list[Any], message: str) -> None:
    with pytest.raises(Fault) as caught:
        play(TITLE, txt2img(), asked)
    assert (caught.value.name, caught.value.message) == ("RuntimeError", message)


@pytest.mark.parametrize("value", ["true", "CodeFormer", "GFPGAN"])
def test_face_restoration_is_refused_with_the_reason(play: Any, txt2img: Any, value: str) -> None:
    with pytest.raises(ApiError) as caught:
        play(TITLE, txt2img(), arguments((32, value)))
    assert caught.value.status == 501


def test_a_grid_too_large_is_refused(play: Any, txt2img: Any) -> None:
    with pytest.raises(Fault) as caught:
        play(TITLE, txt2img(width=2048, height=2048), arguments((1, "1-48")))
    assert (caught.value.name, caught.value.message) == (
        "AssertionError",
        "Error: Resulting grid would be too large (201 MPixels) (max configured size is 200 MPixels)",
    )
    with pytest.raises(Fault, match="too large"):
        play(TITLE, txt2img(), arguments((1, "1-1000"), (41, "64x64, 2000x2000")))
    with pytest.raises(InvalidRequest, match="at most 10000 pictures"):
        play(TITLE, txt2img(), arguments((1, "1-1000"), (2, "1-1000")))


def test_a_cell_that_fails_is_black(play: Any, txt2img: Any, colour_of: Any) -> None:
    outcome = play(TITLE, txt2img(), arguments((1, "1-3"), lone=True, **PLAIN), failing={0}).outcome
    row = [outcome.pictures[0].image.getpixel((64 * x, 0)) for x in range(3)]
    assert row == [(0, 0, 0), colour_of(1), colour_of(2)]
    assert [picture.image.size for picture in outcome.pictures[1:]] == [(64, 64)] * 3
    assert outcome.info["all_seeds"] == [None, 2, 3]
    assert outcome.infotexts[1] is None


def test_the_first_failure_is_told_when_all_fail(play: Any, txt2img: Any) -> None:
    with pytest.raises(Fault, match="part 0"):
        play(TITLE, txt2img(), arguments((1, "1-3")), failing=range(3))


def test_an_interrupted_plot_shows_what_it_has(play: Any, txt2img: Any, colour_of: Any) -> None:
    played = play(TITLE, txt2img(), arguments((1, "1-3"), **PLAIN), interrupted=2)
    row = [played.outcome.pictures[0].image.getpixel((64 * x, 0)) for x in range(3)]
    assert row == [colour_of(0), colour_of(1), (0, 0, 0)]
    assert play(TITLE, txt2img(), arguments((1, "1-3")), interrupted=0).outcome.pictures == []
