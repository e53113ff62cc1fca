"""The order of version texts."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdapi_compat.metadata.versions import Version, parse_version

RISING = [
    "v1.0.0-pre",
    "1.2",
    "v1.6.0-RC",
    "v1.6.0",
    "v1.6.0-2-g4afaaf8a",
    "1.6.1",
    "1.7.0-224",
    "v1.7.0-225-g0123abc",
    "v1.7.0.post226",
    "v1.8.0a",
    "v1.8.0-beta2",
    "v1.8.0-RC",
    "1.8",
    "v1.8.0-139-gabc",
    "v1.8.0-140",
    "v1.9.0",
    "v1.10.1",
    "v1.10.1-1-gabc-dirty",
]


def version(text: str) -> Version:
    found = parse_version(text)
    assert found is not None, text
    return found


@pytest.mark.parametrize(("older", "newer"), list(pairwise(RISING)))
def test_order(older: str, newer: str) -> None:
    assert version(older) < version(newer)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("v1.6.0", "1.6"),
        ("V1.6.0", "1.6.0.0"),
        ("1.10.1", "v1.10.1+local.2"),
        ("v1.7.0-225-gabc", "1.7.0-225"),
        ("1.8.0rc1", "v1.8.0-RC.1"),
        (" 1.6.0 ", "1.6.0"),
    ],
)
def test_equal(one: str, other: str) -> None:
    assert version(one) == version(other)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "ComfyUI",
        "<none>",
        "f2.0.1v1.10.1-previous-665-gae278f79",
        "v1.10.1-amd-5-gd8b7380b",
        "1.6.0 beta",
        "1..2",
        "-1-2",
        "v",
        "1." * 40 + "0",
    ],
)
def test_not_a_version(text: str | None) -> None:
    assert parse_version(text) is None


@given(st.text(alphabet="v1.-rcpost+ab", max_size=80))
def test_never_fails(text: str) -> None:
    parse_version(text)
