"""Bytes -> Python value."""

from __future__ import annotations

import math
from urllib.parse import quote_plus, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdapi_compat.errors import InvalidRequest
from sdapi_compat.schema.body import FORM, Form, UnreadableBody, read

JSON = "application/json"


def test_an_empty_body_is_nothing_whatever_it_is_said_to_be() -> None:
    assert [read(b"", kind) for kind in (JSON, FORM, "text/plain", None)] == [None] * 4


def test_numbers_that_json_does_not_have() -> None:
    value = read(b'{"a": NaN, "b": -Infinity, "c": 1e400}', JSON)
    assert math.isnan(value["a"])
    assert (value["b"], value["c"]) == (-math.inf, math.inf)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_other_encodings_are_recognised(encoding: str) -> None:
    assert read('{"a": "é"}'.encode(encoding), JSON) == {"a": "é"}


@pytest.mark.parametrize(
    "body",
    [
        b'{"prompt": "\xff\xfe"}',
        b"[" * 100_000,
        b"1" * 5000,
        b'{"prompt": "\\ud800"}',
    ],
)
def test_what_cannot_be_held_is_400_in_plain_shape(body: bytes) -> None:
    with pytest.raises(UnreadableBody) as caught:
        read(body, JSON)
    assert caught.value.status == 400
    assert caught.value.body() == {"detail": "There was an error parsing the body"}


def test_malformed_json_tells_where() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(b'{"prompt": "x", ', JSON)
    (problem,) = caught.value.problems
    assert problem.loc == ("body", 16)
    assert problem.ctx is not None
    assert (problem.ctx["doc"], problem.ctx["colno"]) == ('{"prompt": "x", ', 17)


def test_a_long_malformed_body_is_not_repeated_in_full() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(b'{"a": "' + b"x" * 1_000_000, JSON)
    ctx = caught.value.problems[0].ctx
    assert ctx is not None
    assert len(str(ctx["doc"])) == 10_000


def test_bytes_of_another_kind_stay_bytes() -> None:
    assert read(b'{"a": 1}', "text/plain") == b'{"a": 1}'


@pytest.mark.parametrize("body", [b'{"a": 1}', b' \n{"a": 1}'])
def test_json_under_the_type_of_forms_is_recognised(body: bytes) -> None:
    assert read(body, FORM) == {"a": 1}
    with pytest.raises(InvalidRequest):
        read(body[:-1], FORM)


def test_forms() -> None:
    form = read(b"a=1&b=x+y%26z&a=2&c=&d&&%C3%A9=%e2%82%ac", f"{FORM}; charset=utf-8")
    assert form.fields == {"a": ["1", "2"], "b": ["x y&z"], "c": [""], "d": [""], "é": ["€"]}


@given(
    st.dictionaries(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")), min_size=1)
)
@settings(max_examples=60)
def test_every_encoded_form_comes_back(fields: dict[str, str]) -> None:
    body = urlencode(fields).encode()
    got = read(body, FORM)
    assert isinstance(got, Form)
    assert got.fields == {name: [text] for name, text in fields.items()}


def test_base64_in_a_form_keeps_its_plus_signs() -> None:
    assert read(f"image={quote_plus('A+/=')}".encode(), FORM).fields == {"image": ["A+/="]}
    assert read(b"image=A%2b%2f%3d", FORM).fields == {"image": ["A+/="]}


@pytest.mark.parametrize("body", [b"a=%ff", b"a=\xff", b"&".join([b"a=1"] * 1001)])
def test_forms_that_are_no_text_or_too_many_fields(body: bytes) -> None:
    with pytest.raises(UnreadableBody):
        read(body, FORM)
