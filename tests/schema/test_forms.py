"""HTML forms stand for the objects their authors meant."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from sdapi_compat.errors import InvalidRequest
from sdapi_compat.schema.coerce import decode
from sdapi_compat.schema.extras import ExtrasBatchImagesRequest, FileData
from sdapi_compat.schema.img2img import StableDiffusionProcessingImg2Img
from sdapi_compat.schema.txt2img import StableDiffusionProcessingTxt2Img

FORM = "application/x-www-form-urlencoded"


def form(*pairs: tuple[str, str]) -> bytes:
    return urlencode(pairs).encode()


def test_texts_become_what_the_schema_says() -> None:
    body = form(("prompt", "a & b"), ("steps", "3"), ("cfg_scale", "6.5"), ("enable_hr", "on"), ("x", "1"))
    request = decode(StableDiffusionProcessingTxt2Img, body, FORM)
    value = request.value
    assert (value.prompt, value.steps, value.cfg_scale, value.enable_hr) == ("a & b", 3, 6.5, True)
    assert request.given == {"prompt", "steps", "cfg_scale", "enable_hr"}
    assert request.ignored == ("x",)


def test_empty_fields_are_absent_unless_they_are_texts() -> None:
    request = decode(
        StableDiffusionProcessingTxt2Img, form(("prompt", ""), ("steps", ""), ("styles", "")), FORM
    )
    assert request.given == {"prompt"}
    assert request.value.steps == 50


def test_lists_are_repeated_fields_or_json() -> None:
    def styles(*texts: str) -> list[str] | None:
        body = form(*(("styles", text) for text in texts))
        return decode(StableDiffusionProcessingTxt2Img, body, FORM).value.styles

    assert styles("a") == ["a"]
    assert styles("a", "b") == ["a", "b"]
    assert styles('["a", "b"]') == ["a", "b"]
    assert styles("[not json") == ["[not json"]


def test_pictures_and_objects() -> None:
    body = form(("init_images", "AA+/=="), ("override_settings", '{"sd_vae": "None"}'))
    value = decode(StableDiffusionProcessingImg2Img, body, FORM).value
    assert value.init_images == ["AA+/=="]
    assert value.override_settings == {"sd_vae": "None"}


def test_lists_of_objects_are_json() -> None:
    body = form(("imageList", '[{"data": "A", "name": "n"}]'))
    assert decode(ExtrasBatchImagesRequest, body, FORM).value.imageList == [FileData("A", "n")]


def test_the_last_of_repeated_texts_counts() -> None:
    assert (
        decode(StableDiffusionProcessingTxt2Img, form(("steps", "1"), ("steps", "2")), FORM).value.steps == 2
    )


def test_what_does_not_fit_is_refused_as_in_json() -> None:
    body = form(("steps", "many"), ("override_settings", "none"))
    with pytest.raises(InvalidRequest) as caught:
        decode(StableDiffusionProcessingTxt2Img, body, FORM)
    assert [problem.type for problem in caught.value.problems] == ["type_error.integer", "type_error.dict"]
