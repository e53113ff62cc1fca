"""Scripts and extensions over HTTP: the built-in prompt matrix, and ones from the user's folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageStat

TXT2IMG = "/sdapi/v1/txt2img"
TINY = {"prompt": "x", "steps": 1, "width": 64, "height": 64, "seed": 1, "sampler_name": "Euler"}
REAL = json.loads((Path(__file__).parent / "data/get_shapes.json").read_text())["/sdapi/v1/script-info"]
MATRIX = {"script_name": "Prompt matrix", "prompt": "a cat|red|big", "steps": 1}


def matrix(server: Any, *arguments: Any, **fields: Any) -> tuple[list[str], dict[str, Any]]:
    reply = server.txt2img(**MATRIX | {"script_args": list(arguments)} | fields)
    return reply["images"], json.loads(reply["info"])


def test_prompt_matrix_gives_a_grid_and_every_combination(server: Any, pictures: Any) -> None:
    images, info = matrix(server, False, False, "positive", "comma", 0)
    sizes = [pictures.decode(image).size for image in images]
    assert sizes[1:] == [(64, 64)] * 4
    assert sizes[0][0] > 128
    assert sizes[0][1] > 128
    assert info["index_of_first_image"] == 1
    assert len(info["infotexts"]) == 5
    assert info["infotexts"][0] == info["infotexts"][1]
    assert info["all_prompts"] == ["a cat", "a cat, red", "a cat, big", "a cat, red, big"]
    assert info["all_seeds"] == [1, 1, 1, 1]


def test_prompt_matrix_takes_its_arguments_by_position(server: Any) -> None:
    _, info = matrix(server, True, True, "positive", "space", 10)
    assert info["all_prompts"] == ["a cat", "red a cat", "big a cat", "red big a cat"]
    assert info["all_seeds"] == [1, 2, 3, 4]


def test_prompt_matrix_fills_batches_and_drops_the_surplus(server: Any) -> None:
    images, _ = matrix(server, prompt="a|b|c", batch_size=3)
    assert len(images) == 5


def test_prompt_matrix_of_the_negative_prompt(server: Any) -> None:
    _, info = matrix(server, False, False, "negative", prompt="cat", negative_prompt="dark|blurry")
    assert info["all_prompts"] == ["cat", "cat"]
    assert info["all_negative_prompts"] == ["dark", "dark, blurry"]


@pytest.mark.parametrize("arguments", [[], [False, False], [False, False, "positive", "comma", 0, 7, 8]])
def test_missing_arguments_are_defaults_and_surplus_ones_dropped(server: Any, arguments: list[Any]) -> None:
    _, info = matrix(server, *arguments, prompt="a|b")
    assert info["all_prompts"] == ["a", "a, b"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([False, False, "neither"], "Unknown prompt type neither"),
        ([False, False, "positive", "dash"], "Unknown variations delimiter dash"),
    ],
)
def test_wrong_choices_are_value_errors(server: Any, arguments: list[Any], text: str) -> None:
    reply = server.post(TXT2IMG, TINY | MATRIX | {"script_args": arguments})
    assert reply.status_code == 500
    assert reply.json() == {"error": "ValueError", "detail": "", "body": "", "errors": text}


def test_an_argument_of_the_wrong_type_is_named(server: Any) -> None:
    reply = server.post(TXT2IMG, TINY | MATRIX | {"script_args": [False, False, "positive", "comma", "wide"]})
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"] == ["body", "script_args", 4]


def test_prompt_matrix_of_img2img(server: Any, photo: Image.Image) -> None:
    reply = server.img2img(photo, prompt="a|b", script_name="prompt matrix", script_args=[])
    assert len(reply["images"]) == 3


def test_an_unknown_script_and_a_script_in_the_wrong_place_are_refused(server: Any) -> None:
    reply = server.post(TXT2IMG, TINY | {"script_name": "nope"})
    assert (reply.status_code, reply.json()["detail"]) == (422, "Script 'nope' not found")
    reply = server.post(TXT2IMG, TINY | {"alwayson_scripts": {"Prompt matrix": {"args": []}}})
    assert reply.status_code == 422
    assert reply.json()["detail"] == "Cannot have a selectable script in the always on scripts params"


def test_script_lists_tell_prompt_matrix_as_the_original(server: Any) -> None:
    names = server.get("/sdapi/v1/scripts").json()
    assert list(names) == ["txt2img", "img2img"]
    infos = server.get("/sdapi/v1/script-info").json()
    assert [info for info in infos if info["name"] == "prompt matrix"] == REAL["prompt matrix"]
    for kind in names:
        listed = [info["name"] for info in infos if info["is_img2img"] == (kind == "img2img")]
        assert listed == names[kind]


def test_script_info_tells_the_always_on_parts_as_the_original(server: Any) -> None:
    ours = {}
    for info in server.get("/sdapi/v1/script-info").json():
        for argument in info["args"]:
            if argument["label"] == "Checkpoint":
                assert argument["choices"] == [m["title"] for m in server.get("/sdapi/v1/sd-models").json()]
                argument["choices"] = []
        ours[info["name"], info["is_img2img"]] = info
    for info in REAL["always on"]:
        assert ours[info["name"], info["is_img2img"]] == info


def test_user_scripts_and_extensions_are_listed(stocked: Any) -> None:
    names = stocked.get("/sdapi/v1/scripts").json()["txt2img"]
    assert {"raising", "everything", "prompt matrix"} <= set(names)
    (info,) = [
        info
        for info in stocked.get("/sdapi/v1/script-info").json()
        if info["name"] == "everything" and not info["is_img2img"]
    ]
    assert info["is_alwayson"] is True
    assert info["args"][1] == {
        "label": "Seed of every image",
        "value": -1,
        "minimum": -1,
        "maximum": 100,
        "step": 1,
        "choices": None,
    }


def everything(server: Any, *arguments: Any, **fields: Any) -> dict[str, Any]:
    always_on = {"Everything": {"args": list(arguments)}}
    return dict(server.txt2img(alwayson_scripts=always_on, **fields))


def test_an_extension_changes_the_draft(stocked: Any) -> None:
    reply = everything(stocked, "in snow")
    assert json.loads(reply["info"])["prompt"] == "a red apple in snow"
    assert reply["parameters"]["prompt"] == "a red apple"


def test_an_extension_changes_the_plan(stocked: Any) -> None:
    reply = everything(stocked, "", 77)
    assert json.loads(reply["info"])["all_seeds"] == [77]
    assert reply["images"] == stocked.txt2img(seed=77)["images"]


def test_an_extension_changes_what_is_denoised(stocked: Any, pictures: Any) -> None:
    plain, flat = stocked.txt2img(seed=5), everything(stocked, "", -1, True, seed=5)
    deviation = [sum(ImageStat.Stat(pictures.decode(reply["images"][0])).stddev) for reply in (plain, flat)]
    assert deviation[1] < deviation[0] / 2


def test_an_extension_without_arguments_does_nothing(stocked: Any) -> None:
    assert everything(stocked)["images"] == stocked.txt2img()["images"]


def test_an_extension_argument_of_the_wrong_type_is_named(stocked: Any) -> None:
    body = TINY | {"alwayson_scripts": {"everything": {"args": ["", "many"]}}}
    reply = stocked.post(TXT2IMG, body)
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"] == ["body", "alwayson_scripts", "everything", 1]


def test_an_extension_works_inside_a_script(stocked: Any) -> None:
    reply = everything(stocked, "in snow", **MATRIX)
    assert json.loads(reply["info"])["all_prompts"][2] == "a cat, big in snow"


def test_arguments_of_scripts_are_described_in_the_openapi_document(stocked: Any) -> None:
    schemas = stocked.get("/openapi.json").json()["components"]["schemas"]
    matrix_arguments = schemas["prompt_matrix_MatrixArguments"]
    assert list(matrix_arguments["properties"])[:2] == ["put_at_start", "different_seeds"]
    assert matrix_arguments["properties"]["prompt_type"]["enum"] == ["positive", "negative"]
    assert schemas["everything_Arguments"]["properties"]["seed"]["maximum"] == 100
    fields = schemas["StableDiffusionProcessingTxt2Img"]["properties"]
    assert "prompt_matrix_MatrixArguments" in fields["script_args"]["description"]
    assert "everything_Arguments" in fields["alwayson_scripts"]["description"]


def test_routes_of_an_extension_answer(stocked: Any) -> None:
    assert stocked.get("/everything/hello").json() == {"hello": "extension"}


@pytest.mark.parametrize(
    "entry",
    [
        {"refiner": {"args": [True, "no such checkpoint", 0.5]}},
        {"Seed": {"args": [77, True, 5, 0.5, 0, 0]}},
        {"SAMPLER": {"args": [30, "Heun", "Karras"]}},
        {"Comments": {"args": ["x"]}},
        {"Hypertile": {"args": [1]}},
    ],
)
def test_parts_of_the_page_change_nothing_and_that_is_told(server: Any, entry: dict[str, Any]) -> None:
    """A1111 1.10.1 sets these up for its page only."""
    reply = server.post(TXT2IMG, TINY | {"alwayson_scripts": entry, "nonsense": 1})
    assert reply.status_code == 200
    assert reply.json()["images"] == server.post(TXT2IMG, TINY).json()["images"]
    assert reply.headers["X-Sdapi-Ignored-Fields"] == f"nonsense, alwayson_scripts.{next(iter(entry))}"


@pytest.mark.parametrize("name", ["refiner", "Comments", "Extra options", "Hypertile", "seed", "sampler"])
@pytest.mark.parametrize("entry", [{}, {"args": []}, None])
def test_built_in_names_without_arguments_are_nothing_to_speak_of(server: Any, name: str, entry: Any) -> None:
    reply = server.post(TXT2IMG, TINY | {"alwayson_scripts": {name: entry}})
    assert reply.status_code == 200
    assert "X-Sdapi-Ignored-Fields" not in reply.headers


@pytest.fixture
def extra_options(server: Any) -> Any:
    names = {"extra_options_txt2img": ["CLIP_stop_at_last_layers", "eta_noise_seed_delta"]}
    assert server.post("/sdapi/v1/options", names).status_code == 200
    yield
    assert server.post("/sdapi/v1/options", {"extra_options_txt2img": []}).status_code == 200


@pytest.mark.usefixtures("extra_options")
def test_extra_options_set_the_options_they_are_made_of(server: Any, photo: Image.Image) -> None:
    entry = {"Extra options": {"args": [2, 31337]}}
    overrides = {"CLIP_stop_at_last_layers": 2, "eta_noise_seed_delta": 31337}
    wanted = server.txt2img(override_settings=overrides, sampler_name="Euler a")
    made = server.txt2img(alwayson_scripts=entry, sampler_name="Euler a")
    assert made["images"] == wanted["images"] != server.txt2img(sampler_name="Euler a")["images"]
    assert "Clip skip: 2" in json.loads(made["info"])["infotexts"][0]
    own = server.txt2img(alwayson_scripts=entry, override_settings={"CLIP_stop_at_last_layers": 1})
    assert "Clip skip" not in json.loads(own["info"])["infotexts"][0]
    assert (
        "Clip skip" not in json.loads(server.img2img(photo, alwayson_scripts=entry)["info"])["infotexts"][0]
    )


@pytest.mark.usefixtures("extra_options")
def test_script_info_tells_what_extra_options_sets(server: Any) -> None:
    infos = server.get("/sdapi/v1/script-info").json()
    found = {info["is_img2img"]: info["args"] for info in infos if info["name"] == "extra options"}
    assert found[True] == []
    labels = {hint["name"]: hint["label"] for hint in server.get("/internal/quicksettings-hint").json()}
    assert [(argument["label"], argument["value"]) for argument in found[False]] == [
        (labels["CLIP_stop_at_last_layers"], 1),
        (labels["eta_noise_seed_delta"], 0),
    ]


def test_an_extra_option_that_does_not_fit_is_told(server: Any, extra_options: None) -> None:
    reply = server.post(TXT2IMG, TINY | {"alwayson_scripts": {"extra options": {"args": ["many"]}}})
    assert reply.status_code == 500
    assert reply.json()["error"] == "ValueError"
