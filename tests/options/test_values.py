from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdapi_compat.options.option import Option
from sdapi_compat.options.table import BY_KEY, TABLE
from sdapi_compat.options.values import coerce

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("samples_save", False, False),
        ("samples_save", "false", False),
        ("samples_save", " Off ", False),
        ("samples_save", "0", False),
        ("samples_save", "", False),
        ("samples_save", 0, False),
        ("samples_save", "true", True),
        ("tiling", 1, True),
        ("tiling", "on", True),
        ("tiling", "anything", True),
        ("tiling", [], False),
        ("jpeg_quality", 90, 90),
        ("jpeg_quality", 90.0, 90),
        ("jpeg_quality", "90", 90),
        ("jpeg_quality", " 90.5 ", 90.5),
        ("jpeg_quality", True, 1),
        ("eta_noise_seed_delta", 31337.0, 31337),
        ("eta_ddim", 1, 1.0),
        ("eta_ddim", "0.5", 0.5),
        ("s_tmax", 1e308, 1e308),
        ("samples_format", "webp", "webp"),
        ("gallery_height", 600, "600"),
        ("auto_launch_browser", False, "False"),
        ("sd_model_checkpoint", "x.safetensors", "x.safetensors"),
        ("hide_samplers", ["Euler", "LMS"], ("Euler", "LMS")),
        ("hide_samplers", "Euler, LMS,", ("Euler", "LMS")),
        ("hide_samplers", [], ()),
        ("hide_samplers", [1], ("1",)),
    ],
)
def test_value_in_the_type_of_the_default(key: str, value: object, expected: object) -> None:
    result = coerce(BY_KEY[key], value)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("jpeg_quality", "much", "expected a number, got 'much'"),
        ("jpeg_quality", [80], "expected a number, got a list"),
        ("jpeg_quality", {}, "expected a number, got an object"),
        ("eta_ddim", "nan", "expected a finite number"),
        ("eta_ddim", math.inf, "expected a finite number"),
        ("eta_ddim", 10**400, "int too large"),
        ("samples_format", ["png"], "expected a text, got a list"),
        ("samples_format", {"a": 1}, "expected a text, got an object"),
        ("samples_format", "\ud800", "surrogates"),
        ("hide_samplers", 3, "expected a list, got a single value"),
        ("hide_samplers", {"Euler": 1}, "expected a list, got an object"),
        ("hide_samplers", [["Euler"]], "expected a text, got a list"),
        ("hide_samplers", [None], "expected a text, got null"),
    ],
)
def test_impossible_values_are_refused_by_name(key: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        coerce(BY_KEY[key], value)
    assert f"option '{key}'" in str(caught.value)


def test_large_whole_numbers_survive_a_reply_in_floats() -> None:
    for number in (2**53, 2**53 + 1, 2**63, -(2**70)):
        value = coerce(BY_KEY["eta_noise_seed_delta"], number)
        assert isinstance(value, (int, float))
        assert coerce(BY_KEY["eta_noise_seed_delta"], float(value)) == value


def test_messages_are_short() -> None:
    with pytest.raises(ValueError, match="expected a number") as caught:
        coerce(BY_KEY["rho"], "x" * 100_000)
    assert len(str(caught.value)) < 120


@given(option=st.sampled_from(TABLE), value=JSON.filter(lambda value: value is not None))
def test_any_json_is_coerced_for_good_or_refused(option: Option, value: object) -> None:
    result = coerced_or_refused(option, value)
    if result is None:
        return
    assert coerce(option, result) == result
    if option.default is not None:
        numbers = isinstance(option.default, (int, float)) and not isinstance(option.default, bool)
        assert isinstance(result, (int, float) if numbers else type(option.default))


def coerced_or_refused(option: Option, value: object) -> object:
    try:
        return coerce(option, value)
    except ValueError:
        return None
