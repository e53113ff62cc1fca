"""Options over HTTP, and the checkpoints they choose."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

OPTIONS = "/sdapi/v1/options"
TINY = {"prompt": "x", "steps": 1, "width": 64, "height": 64, "seed": 1, "sampler_name": "Euler"}


@pytest.fixture(autouse=True)
def options_put_back(stocked: Any) -> Iterator[None]:
    before = stocked.get(OPTIONS).json()
    yield
    assert stocked.post(OPTIONS, before).status_code == 200


def models(server: Any) -> dict[str, dict[str, Any]]:
    return {model["model_name"]: model for model in server.get("/sdapi/v1/sd-models").json()}


def model_of(reply: dict[str, Any]) -> tuple[str, str]:
    """Name and hash of the checkpoint a picture was made with."""
    info = json.loads(reply["info"])
    assert f"Model hash: {info['sd_model_hash']}, Model: {info['sd_model_name']}" in info["infotexts"][0]
    return info["sd_model_name"], info["sd_model_hash"]


def test_a_value_comes_back_as_it_was_posted(stocked: Any) -> None:
    changes = {"jpeg_quality": 95, "samples_format": "jpg", "quicksettings_list": ["a"], "tiling": True}
    assert stocked.post(OPTIONS, changes).text == "null"
    after = stocked.get(OPTIONS).json()
    assert {key: after[key] for key in changes} == changes
    assert isinstance(after["jpeg_quality"], float)


def test_options_count_for_later_requests(stocked: Any, pictures: Any) -> None:
    stocked.post(OPTIONS, {"samples_format": "jpg", "CLIP_stop_at_last_layers": 2})
    reply = stocked.txt2img()
    assert pictures.decode(reply["images"][0]).format == "JPEG"
    assert json.loads(reply["info"])["clip_skip"] == 2


def test_overrides_leave_the_options_alone(stocked: Any, pictures: Any) -> None:
    before = stocked.get(OPTIONS).json()
    overrides = {"samples_format": "webp", "CLIP_stop_at_last_layers": 2}
    reply = stocked.txt2img(override_settings=overrides, override_settings_restore_afterwards=False)
    assert pictures.decode(reply["images"][0]).format == "WEBP"
    assert stocked.get(OPTIONS).json() == before


def test_one_bad_key_changes_nothing(stocked: Any) -> None:
    before = stocked.get(OPTIONS).json()
    reply = stocked.post(OPTIONS, {"jpeg_quality": 1, "nope": 1})
    assert reply.json() == {"error": "KeyError", "detail": "", "body": "", "errors": "'nope'"}
    assert stocked.get(OPTIONS).json() == before


def test_null_for_an_unknown_key_is_nothing(stocked: Any) -> None:
    assert stocked.post(OPTIONS, {"nope": None}).status_code == 200
    assert stocked.txt2img(steps=1, override_settings={"nope": None})["images"]


def test_a_form_may_change_options(stocked: Any) -> None:
    reply = stocked.http.post(OPTIONS, data={"jpeg_quality": "70", "samples_format": "png"})
    assert reply.text == "null"
    assert stocked.get(OPTIONS).json()["jpeg_quality"] == 70.0


@pytest.mark.parametrize("alias", ["other-sd", "title"])
def test_a_checkpoint_is_switched_by_options(stocked: Any, alias: str) -> None:
    shipped = model_of(stocked.txt2img())
    name = models(stocked)["other-sd"]["title"] if alias == "title" else alias
    assert stocked.post(OPTIONS, {"sd_model_checkpoint": name}).text == "null"
    reply = stocked.txt2img()
    other = models(stocked)["other-sd"]
    assert model_of(reply) == ("other-sd", other["hash"])
    assert model_of(reply) != shipped
    assert stocked.get(OPTIONS).json()["sd_model_checkpoint"] == other["title"]
    assert stocked.get(OPTIONS).json()["sd_checkpoint_hash"] == other["sha256"]


def test_a_checkpoint_is_switched_for_one_request(stocked: Any) -> None:
    before = stocked.get(OPTIONS).json()["sd_model_checkpoint"]
    shipped = stocked.txt2img()
    other = stocked.txt2img(override_settings={"sd_model_checkpoint": "other-sd"})
    again = stocked.txt2img()
    assert model_of(other)[0] == "other-sd"
    assert other["images"] != shipped["images"]
    assert again["images"] == shipped["images"]
    assert stocked.get(OPTIONS).json()["sd_model_checkpoint"] == before


def test_an_unknown_checkpoint_is_refused_by_options_and_dropped_from_overrides(stocked: Any) -> None:
    before = stocked.get(OPTIONS).json()
    reply = stocked.post(OPTIONS, {"sd_model_checkpoint": "nope", "jpeg_quality": 1})
    assert reply.status_code == 500
    assert reply.json()["error"] == "RuntimeError"
    assert reply.json()["errors"] == "model 'nope' not found"
    assert stocked.get(OPTIONS).json() == before
    shipped = model_of(stocked.txt2img())
    assert model_of(stocked.txt2img(override_settings={"sd_model_checkpoint": "nope"})) == shipped


def test_a_broken_file_is_told_and_the_loaded_model_goes_on(stocked: Any) -> None:
    before = stocked.txt2img()
    for reply in (
        stocked.post(OPTIONS, {"sd_model_checkpoint": "broken.safetensors"}),
        stocked.post("/sdapi/v1/txt2img", TINY | {"override_settings": {"sd_model_checkpoint": "broken"}}),
    ):
        assert reply.status_code == 500
        assert reply.json()["error"] == "RuntimeError"
        assert "broken.safetensors" in reply.json()["errors"]
        assert "Traceback" not in reply.text
    assert stocked.txt2img()["images"] == before["images"]


def test_a_file_that_is_only_broken_inside_is_told(stocked: Any) -> None:
    """Its header is right, so only loading finds out."""
    folder = stocked.data_dir / "models/Stable-diffusion"
    header = json.dumps({"model.diffusion_model.x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})
    content = len(header).to_bytes(8, "little") + header.encode() + bytes(4)
    (folder / "hollow.safetensors").write_bytes(content)
    stocked.post("/sdapi/v1/refresh-checkpoints")
    try:
        body = TINY | {"override_settings": {"sd_model_checkpoint": "hollow"}}
        reply = stocked.post("/sdapi/v1/txt2img", body)
        assert reply.status_code == 500
        assert "hollow" in reply.json()["errors"]
        assert ".py" not in reply.text
        assert len(stocked.txt2img()["images"]) == 1
    finally:
        (folder / "hollow.safetensors").unlink()
        stocked.post("/sdapi/v1/refresh-checkpoints")


def test_refresh_finds_new_files_and_forgets_old_ones(stocked: Any) -> None:
    folder = stocked.data_dir / "models/Stable-diffusion"
    shutil.copyfile(folder / "broken.safetensors", folder / "new.safetensors")
    assert "new" not in models(stocked)
    assert stocked.post("/sdapi/v1/refresh-checkpoints").text == "null"
    assert "new" in models(stocked)
    (folder / "new.safetensors").unlink()
    stocked.post("/sdapi/v1/refresh-checkpoints")
    assert "new" not in models(stocked)


def test_unload_frees_and_reload_or_the_next_picture_loads(stocked: Any) -> None:
    before = stocked.txt2img()["images"]
    assert stocked.http.post("/sdapi/v1/unload-checkpoint").text == "{}"
    assert stocked.txt2img()["images"] == before
    stocked.http.post("/sdapi/v1/unload-checkpoint", content=b'""')
    assert stocked.http.post("/sdapi/v1/reload-checkpoint", content=b"null").text == "{}"
    assert stocked.txt2img()["images"] == before


def test_options_survive_a_restart(
    start_server: Callable[..., Any], tmp_path: Path, make_checkpoint: Callable[[Path], None]
) -> None:
    make_checkpoint(tmp_path / "models/Stable-diffusion/other-sd")
    first = start_server("--skip-load-model-at-start", ready=False)
    changes = {"jpeg_quality": 33.0, "sd_model_checkpoint": "other-sd", "localization": "日本語"}
    assert first.post(OPTIONS, changes).status_code == 200
    first.process.terminate()
    first.process.wait(60)
    stored = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert stored["localization"] == "日本語"
    second = start_server(ready=False)
    after = second.get(OPTIONS).json()
    assert (after["jpeg_quality"], after["localization"]) == (33.0, "日本語")
    # The first picture waits for the model.
    assert model_of(second.txt2img())[0] == "other-sd"
    assert second.get(OPTIONS).json()["sd_model_checkpoint"].startswith("other-sd [")


def test_a_first_checkpoint_that_is_broken_leaves_the_others_usable(
    start_server: Callable[..., Any], tmp_path: Path
) -> None:
    """The list begins with the user's own files, so a broken one is what a fresh server tries first."""
    folder = tmp_path / "models/Stable-diffusion"
    folder.mkdir(parents=True)
    (folder / "a-broken.safetensors").write_bytes(b"nothing" * 100)
    server = start_server()
    refused = server.post("/sdapi/v1/txt2img", TINY)
    assert refused.status_code == 500
    assert "a-broken.safetensors" in refused.json()["errors"]
    assert server.post(OPTIONS, {"sd_model_checkpoint": "emoji-sd"}).status_code == 200
    assert model_of(server.txt2img())[0] == "emoji-sd"
