"""Python value -> Struct: pydantic 1's leniency, its words, and all problems at once."""

from __future__ import annotations

import json
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdapi_compat.errors import InvalidRequest, SdapiError
from sdapi_compat.schema import extras
from sdapi_compat.schema.coerce import decode, decode_object, header_names, query_bool
from sdapi_compat.schema.img2img import StableDiffusionProcessingImg2Img
from sdapi_compat.schema.progress import InternalProgressRequest
from sdapi_compat.schema.txt2img import StableDiffusionProcessingTxt2Img

Txt2Img = StableDiffusionProcessingTxt2Img
JSON = "application/json"
BY_PATH: dict[str, Any] = {
    "/sdapi/v1/txt2img": Txt2Img,
    "/sdapi/v1/img2img": StableDiffusionProcessingImg2Img,
    "/sdapi/v1/extra-single-image": extras.ExtrasSingleImageRequest,
    "/sdapi/v1/extra-batch-images": extras.ExtrasBatchImagesRequest,
    "/sdapi/v1/png-info": extras.PNGInfoRequest,
}
BY_NAME: dict[str, Any] = {kind.__name__: kind for kind in BY_PATH.values()}
FORM_IS_READ_HERE = {"valid JSON, form content-type", "form encoded"}
ACCEPTED_HERE = FORM_IS_READ_HERE | {"prompt list"}


def answer(kind: Any, body: bytes, content_type: str | None = JSON) -> tuple[int, Any]:
    """Status and body of the refusal; (200, request) where there is none."""
    try:
        if kind is dict:
            return 200, decode_object(body, content_type)
        return 200, decode(kind, body, content_type).value
    except SdapiError as error:
        return error.status, json.loads(json.dumps(error.body()))


def test_recorded_refusals_have_the_same_answers(refusals: list[dict[str, Any]]) -> None:
    compared = 0
    for case in refusals:
        if case["name"] in ACCEPTED_HERE:
            continue
        kind = BY_PATH.get(case["path"], dict)
        got = answer(kind, case["latin1_body"].encode("latin-1"), case["content_type"])
        assert got == (case["status"], case["answer"]), case["name"]
        compared += 1
    assert compared == len(refusals) - len(ACCEPTED_HERE)


def test_forms_refused_by_the_original_are_read(refusals: list[dict[str, Any]]) -> None:
    for case in refusals:
        if case["name"] in FORM_IS_READ_HERE:
            status, value = answer(Txt2Img, case["latin1_body"].encode(), case["content_type"])
            assert (status, value.prompt, value.steps) == (200, "x", 1)


def test_every_field_type_is_as_lenient_as_pydantic(leniency: Any) -> None:
    for name, field, text, expected in leniency["fields"]:
        if field == "prompt" and text.startswith("["):
            continue
        status, got = answer(BY_NAME[name], f'{{"{field}":{text}}}'.encode())
        if isinstance(expected, str):
            assert status == 200, (name, field, text, got)
            assert repr(getattr(got, field)) == expected, (name, field, text)
        else:
            assert (status, got) == (422, {"detail": expected}), (name, field, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[]", []),
        ("[1]", ["1"]),
        ('["a", "b"]', ["a", "b"]),
        ("[null]", ["prompt", 0]),
        ('["a", null, 3, [1], {}]', ["prompt", 1]),
    ],
)
def test_a_prompt_may_be_a_list(text: str, expected: list[Any]) -> None:
    status, got = answer(Txt2Img, f'{{"prompt":{text}}}'.encode())
    if status == 200:
        assert got.prompt == expected
    else:
        assert got["detail"][0]["loc"] == ["body", *expected]


def test_every_body_is_as_lenient_as_pydantic(leniency: Any) -> None:
    for text, expected in leniency["bodies"]:
        status, got = answer(Txt2Img, text.encode())
        wanted = (200, got) if expected is None else (422, {"detail": expected})
        assert (status, got) == wanted, text


@pytest.mark.parametrize(
    ("content_type", "accepted"),
    [
        (None, True),
        ("", True),
        ("application/json", True),
        ("application/json; charset=UTF-8", True),
        ("APPLICATION/JSON", True),
        ("application/vnd.api+json", True),
        ("text/plain", False),
        ("text/json", False),
        ("json", False),
        ("multipart/form-data; boundary=x", False),
        ("application/octet-stream", False),
    ],
)
def test_json_is_read_under_these_content_types(content_type: str | None, accepted: bool) -> None:
    status, got = answer(Txt2Img, b'{"prompt": "x"}', content_type)
    if accepted:
        assert got.prompt == "x"
    else:
        problem = {"loc": ["body"], "msg": "value is not a valid dict", "type": "type_error.dict"}
        assert (status, got) == (422, {"detail": [problem]})


def test_all_problems_are_told_in_the_order_of_the_schema() -> None:
    body = b'{"infotext": [], "width": "w", "nope": 1, "styles": ["a", null, {}], "send_images": null}'
    with pytest.raises(InvalidRequest) as caught:
        decode(Txt2Img, body, JSON)
    assert [(p.loc, p.type) for p in caught.value.problems] == [
        (("body", "styles", 1), "type_error.none.not_allowed"),
        (("body", "styles", 2), "type_error.str"),
        (("body", "width"), "type_error.integer"),
        (("body", "send_images"), "type_error.none.not_allowed"),
        (("body", "infotext"), "type_error.str"),
    ]


def test_problems_inside_lists_of_objects_have_their_path() -> None:
    body = b'{"imageList": [{"data": "a", "name": "n"}, {"data": []}, 5]}'
    with pytest.raises(InvalidRequest) as caught:
        decode(extras.ExtrasBatchImagesRequest, body, JSON)
    assert [(p.loc, p.type) for p in caught.value.problems] == [
        (("body", "imageList", 1, "data"), "type_error.str"),
        (("body", "imageList", 1, "name"), "value_error.missing"),
        (("body", "imageList", 2), "type_error.dict"),
    ]


def test_given_are_the_fields_the_client_set_even_to_null_or_the_default() -> None:
    request = decode(Txt2Img, b'{"steps": 50, "prompt": null, "bogus": 1}', JSON)
    assert request.given == {"steps", "prompt"}
    assert request.value.prompt is None
    assert decode(Txt2Img, b"{}", JSON).given == frozenset()


def test_unknown_fields_are_ignored_and_named_sorted() -> None:
    request = decode(Txt2Img, b'{"zeta": 1, "url": "http://x", "auth": "secret", "prompt": "x"}', JSON)
    assert request.ignored == ("auth", "url", "zeta")


def test_header_names_cannot_break_a_header() -> None:
    names = header_names(["a\r\nSet-Cookie: x", "b,c", "é", "", "x" * 500, "d d"])
    assert names == ("aSet-Cookie:x", "bc", "dd", "x" * 64)
    assert len(header_names(f"n{index}" for index in range(1000))) == 32


@given(st.lists(st.text()))
def test_header_names_are_visible_ascii_for_any_text(names: list[str]) -> None:
    for name in header_names(names):
        assert name.isascii()
        assert name.isprintable()
        assert not set(name) & {",", " "}
        assert 0 < len(name) <= 64


@pytest.mark.parametrize(
    ("word", "meaning"),
    [("true", True), ("1", True), ("On", True), ("yes", True), ("false", False), ("0", False), ("n", False)],
)
def test_query_switches(word: str, meaning: bool) -> None:
    assert query_bool("skip_current_image", word) is meaning


def test_absent_query_switch_is_its_default() -> None:
    assert query_bool("attachment", None) is False
    assert query_bool("attachment", None, default=True) is True


@pytest.mark.parametrize("word", ["banana", "", " true", "2", "null"])
def test_unknown_query_words_are_refused_as_by_the_original(word: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        query_bool("skip_current_image", word)
    assert caught.value.body() == {
        "detail": [
            {
                "loc": ["query", "skip_current_image"],
                "msg": "value could not be parsed to a boolean",
                "type": "type_error.bool",
            }
        ]
    }


def test_free_objects() -> None:
    assert decode_object(b'{"a": null, "b": [1]}', JSON) == {"a": None, "b": [1]}
    assert decode_object(b'[["a", 1], [2, 3]]', None) == {"a": 1, "2": 3}
    assert decode_object(b"[]", JSON) == {}
    assert decode_object(b'""', JSON) == {}
    assert decode_object(
        b"samples_format=jpg&jpeg_quality=90&x=true", "application/x-www-form-urlencoded"
    ) == {
        "samples_format": "jpg",
        "jpeg_quality": 90,
        "x": True,
    }


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "value_error.missing"),
        (b"null", "value_error.missing"),
        (b"[1]", "type_error.dict"),
        (b'"x"', "type_error.dict"),
        (b"5", "type_error.dict"),
    ],
)
def test_what_is_no_object_is_refused(body: bytes, kind: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_object(body, JSON)
    assert [(p.loc, p.type) for p in caught.value.problems] == [(("body",), kind)]


def test_a_null_interrogate_image_is_refused() -> None:
    status, got = answer(extras.InterrogateRequest, b'{"image": null}')
    assert (status, got["detail"][0]["type"]) == (422, "type_error.none.not_allowed")


def test_internal_progress_defaults() -> None:
    request = decode(InternalProgressRequest, b"{}", JSON).value
    assert (request.id_task, request.id_live_preview, request.live_preview) == (None, -1, True)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_bounds_hold_for_what_is_no_finite_number(text: str) -> None:
    status, _ = answer(extras.ExtrasSingleImageRequest, f'{{"gfpgan_visibility": {text}}}'.encode())
    assert status == 422


def test_ten_megabytes_take_less_than_60_ms() -> None:
    body = json.dumps({"init_images": ["A" * 10_000_000], "steps": "20", "width": 512.0}).encode()
    best = 1.0
    for _ in range(5):
        start = time.perf_counter()
        decode(StableDiffusionProcessingImg2Img, body, JSON)
        best = min(best, time.perf_counter() - start)
    assert best < 0.06


@given(st.integers())
@settings(max_examples=50)
def test_any_integer_survives_as_number_and_as_text(number: int) -> None:
    for text in (str(number), f'"{number}"', f'" {number} "'):
        assert decode(Txt2Img, f'{{"seed": {text}}}'.encode(), JSON).value.seed == number


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(Txt2Img.__struct_fields__), JSON_VALUES, max_size=6))
@settings(max_examples=100)
def test_any_object_is_a_request_or_a_422_about_its_own_fields(values: dict[str, Any]) -> None:
    status, got = answer(Txt2Img, json.dumps(values).encode())
    if status == 200:
        assert decode(Txt2Img, json.dumps(values).encode(), JSON).given == values.keys()
    else:
        assert status == 422
        assert {entry["loc"][1] for entry in got["detail"]} <= values.keys()
        assert all(entry["loc"][0] == "body" for entry in got["detail"])


@given(st.dictionaries(st.sampled_from(Txt2Img.__struct_fields__), JSON_VALUES, max_size=6))
@settings(max_examples=100)
def test_an_echo_sent_back_is_the_same_request(values: dict[str, Any]) -> None:
    status, request = answer(Txt2Img, json.dumps(values).encode())
    if status == 200:
        again = decode(Txt2Img, msgspec.json.encode(request), JSON)
        assert again.value == request
        assert again.ignored == ()


@given(JSON_VALUES)
@settings(max_examples=100)
def test_any_json_body_ends_in_an_answer(value: Any) -> None:
    for kind in (Txt2Img, extras.ExtrasBatchImagesRequest, dict):
        assert answer(kind, json.dumps(value).encode())[0] in (200, 422)


@given(st.binary(max_size=200), st.sampled_from([JSON, None, "application/x-www-form-urlencoded"]))
@settings(max_examples=100)
def test_any_bytes_end_in_an_answer(body: bytes, content_type: str | None) -> None:
    assert answer(Txt2Img, body, content_type)[0] in (200, 400, 422)
