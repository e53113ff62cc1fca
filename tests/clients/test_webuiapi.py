"""The `webuiapi` package from PyPI against a real server: every call of it that the API itself answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import webuiapi
from PIL import Image

SMALL = {"width": 64, "height": 64, "steps": 2}


@pytest.fixture
def api(server: Any) -> webuiapi.WebUIApi:
    """A client as its README makes one."""
    address = urlsplit(server.url)
    return webuiapi.WebUIApi(host=address.hostname, port=address.port, sampler="Euler a", steps=2)


@pytest.fixture
def photo() -> Image.Image:
    """64x64 with a gradient."""
    return Image.merge("RGB", [Image.linear_gradient("L").resize((64, 64))] * 3)


@pytest.fixture
def options_kept(api: webuiapi.WebUIApi) -> Iterator[None]:
    """Puts all options back after the test."""
    before = api.get_options()
    yield
    api.set_options(before)


def test_txt2img(api: webuiapi.WebUIApi) -> None:
    result = api.txt2img(prompt="cute squirrel", negative_prompt="ugly", seed=1003, cfg_scale=7, **SMALL)
    assert result.image.size == (64, 64)
    assert len(result.images) == 1
    assert result.info["seed"] == 1003
    assert result.info["sampler_name"] == "Euler a"
    assert result.info["infotexts"][0].startswith("cute squirrel\nNegative prompt: ugly\nSteps: 2, ")
    assert result.parameters["prompt"] == "cute squirrel"
    again = api.txt2img(prompt="cute squirrel", negative_prompt="ugly", seed=1003, cfg_scale=7, **SMALL)
    assert again.json["images"] == result.json["images"]


def test_txt2img_with_its_own_defaults(api: webuiapi.WebUIApi) -> None:
    result = api.txt2img(width=64, height=64)
    assert result.info["steps"] == 2
    assert result.parameters["scheduler"] == "automatic"


def test_batches(api: webuiapi.WebUIApi) -> None:
    result = api.txt2img(prompt="x", seed=5, batch_size=2, n_iter=2, **SMALL)
    assert len(result.images) == 4
    assert result.info["all_seeds"] == [5, 6, 7, 8]


def test_hires(api: webuiapi.WebUIApi) -> None:
    result = api.txt2img(
        prompt="x",
        seed=5,
        enable_hr=True,
        hr_scale=1.5,
        hr_upscaler=webuiapi.HiResUpscaler.Latent,
        hr_second_pass_steps=2,
        denoising_strength=0.4,
        **SMALL,
    )
    assert result.image.size == (96, 96)
    lanczos = webuiapi.HiResUpscaler.Lanczos
    assert api.txt2img(enable_hr=True, hr_upscaler=lanczos, **SMALL).image.size == (128, 128)


def test_img2img(api: webuiapi.WebUIApi, photo: Image.Image) -> None:
    result = api.img2img(images=[photo], prompt="cute cat", seed=5555, denoising_strength=0.4, **SMALL)
    assert result.image.size == (64, 64)
    assert result.info["denoising_strength"] == 0.4
    assert result.parameters["init_images"] is None


def test_inpainting(api: webuiapi.WebUIApi, photo: Image.Image) -> None:
    mask = Image.new("RGB", photo.size, "black")
    mask.paste("white", (16, 16, 48, 48))
    result = api.img2img(
        images=[photo],
        mask_image=mask,
        mask_blur=0,
        inpainting_fill=1,
        inpaint_full_res=False,
        prompt="cute cat",
        seed=104,
        denoising_strength=0.9,
        **SMALL,
    )
    made, given = np.asarray(result.image).astype(int), np.asarray(photo).astype(int)
    assert np.array_equal(made[:16], given[:16])
    assert np.abs(made[16:48, 16:48] - given[16:48, 16:48]).max() > 10


def test_a_picture_of_ours_goes_in_again_with_its_text(api: webuiapi.WebUIApi) -> None:
    made = api.txt2img(prompt="x", seed=5, **SMALL).image
    assert api.img2img(images=[made], **SMALL).image.size == (64, 64)
    told = api.png_info(made)
    assert told.info == made.info["parameters"]
    assert told.parameters["Seed"] == "5"


def test_styles_and_overrides(api: webuiapi.WebUIApi) -> None:
    plain = api.txt2img(prompt="x", seed=5, **SMALL)
    skipped = api.txt2img(prompt="x", seed=5, override_settings={"CLIP_stop_at_last_layers": 2}, **SMALL)
    assert skipped.info["clip_skip"] == 2
    assert skipped.json["images"] != plain.json["images"]
    assert api.get_options()["CLIP_stop_at_last_layers"] == 1


@pytest.mark.parametrize("upscaler", [webuiapi.Upscaler.Lanczos, webuiapi.Upscaler.Nearest])
def test_extra_single_image(api: webuiapi.WebUIApi, photo: Image.Image, upscaler: Any) -> None:
    result = api.extra_single_image(image=photo, upscaler_1=upscaler, upscaling_resize=1.5)
    assert result.image.size == (96, 96)
    assert "Postprocess upscale by: 1.5" in result.info


def test_extra_single_image_to_a_size(api: webuiapi.WebUIApi, photo: Image.Image) -> None:
    result = api.extra_single_image(
        image=photo,
        resize_mode=1,
        upscaler_1=webuiapi.Upscaler.Lanczos,
        upscaler_2=webuiapi.Upscaler.Nearest,
        extras_upscaler_2_visibility=0.5,
        upscaling_resize_w=80,
        upscaling_resize_h=112,
    )
    assert result.image.size == (80, 112)


def test_extra_batch_images(api: webuiapi.WebUIApi, photo: Image.Image) -> None:
    pictures = [photo, photo.rotate(90).resize((32, 64))]
    result = api.extra_batch_images(images=pictures, upscaler_1=webuiapi.Upscaler.Lanczos, upscaling_resize=2)
    assert [image.size for image in result.images] == [(128, 128), (64, 128)]


@pytest.mark.parametrize("faces", ["gfpgan_visibility", "codeformer_visibility"])
def test_faces_are_not_restored_here(api: webuiapi.WebUIApi, photo: Image.Image, faces: str) -> None:
    with pytest.raises(RuntimeError) as caught:
        api.extra_single_image(image=photo, upscaler_1="Lanczos", **{faces: 0.5})
    assert caught.value.args[0] == 501


def test_interrogate_is_not_built(api: webuiapi.WebUIApi, photo: Image.Image) -> None:
    for model in ("clip", "deepdanbooru"):
        with pytest.raises(RuntimeError) as caught:
            api.interrogate(photo, model=model)
        assert caught.value.args[0] == 501


def test_restoring_faces_is_not_built(api: webuiapi.WebUIApi) -> None:
    with pytest.raises(RuntimeError) as caught:
        api.txt2img(restore_faces=True, **SMALL)
    assert caught.value.args[0] == 501


def test_errors_reach_the_caller(api: webuiapi.WebUIApi) -> None:
    with pytest.raises(RuntimeError) as caught:
        api.txt2img(script_name="nobody knows", **SMALL)
    assert caught.value.args[0] == 422
    assert "Script 'nobody knows' not found" in caught.value.args[1]
    with pytest.raises(RuntimeError) as caught:
        api.txt2img(prompt="x", alwayson_scripts={}, roop=webuiapi.Roop(Image.new("RGB", (8, 8))), **SMALL)
    assert caught.value.args[0] == 422


def test_lists(api: webuiapi.WebUIApi) -> None:
    assert {"title", "model_name", "hash", "sha256", "filename", "config"} == api.get_sd_models()[0].keys()
    assert {"name", "aliases", "options"} == api.get_samplers()[0].keys()
    assert {"name", "label", "aliases", "default_rho", "need_inner_model"} == api.get_schedulers()[0].keys()
    assert [entry["name"] for entry in api.get_upscalers()][:3] == ["None", "Lanczos", "Nearest"]
    assert api.get_latent_upscale_modes()[0] == {"name": "Latent"}
    assert {"loaded", "skipped"} == api.get_embeddings().keys()
    assert {"ram", "cuda"} == api.get_memory().keys()
    assert {"txt2img", "img2img"} == api.get_scripts().keys()
    for listed in (
        api.get_sd_vae(),
        api.get_loras(),
        api.get_hypernetworks(),
        api.get_face_restorers(),
        api.get_realesrgan_models(),
        api.get_prompt_styles(),
    ):
        assert isinstance(listed, list)
    assert api.get_cmd_flags()["port"] == str(urlsplit(api.baseurl).port)


def test_calls_the_original_has_dropped_are_unknown_routes(api: webuiapi.WebUIApi) -> None:
    assert api.get_artists() == {"detail": "Not Found"}
    assert api.get_artist_categories() == {"detail": "Not Found"}
    assert api.custom_get("controlnet/version") == {"detail": "Not Found"}


@pytest.mark.usefixtures("options_kept")
def test_options(api: webuiapi.WebUIApi) -> None:
    assert api.set_options({"samples_format": "webp"}) is None
    assert api.get_options()["samples_format"] == "webp"
    assert api.txt2img(prompt="x", **SMALL).image.format == "WEBP"


def test_all_options_can_be_posted_back(api: webuiapi.WebUIApi) -> None:
    options = api.get_options()
    assert api.set_options(options) is None
    assert api.get_options() == options


def test_names(api: webuiapi.WebUIApi) -> None:
    assert api.util_get_model_names() == sorted(model["title"] for model in api.get_sd_models())
    assert "Euler a" in api.util_get_sampler_names()
    assert "karras" in api.util_get_scheduler_names()


@pytest.mark.usefixtures("options_kept")
def test_choosing_a_model(api: webuiapi.WebUIApi) -> None:
    title = api.util_get_model_names()[0]
    api.util_set_model(title[:6].upper())
    assert api.util_get_current_model() == title
    api.util_wait_for_ready(check_interval=0.1)
    assert api.txt2img(prompt="x", **SMALL).info["sd_model_name"] == api.get_sd_models()[0]["model_name"]


def test_refreshing(api: webuiapi.WebUIApi) -> None:
    before = api.get_sd_models()
    assert api.refresh_checkpoints() is None
    assert api.get_sd_models() == before


def test_progress_of_an_idle_server(api: webuiapi.WebUIApi) -> None:
    api.util_wait_for_ready(check_interval=0.1)
    told = api.get_progress()
    assert (told["progress"], told["eta_relative"], told["current_image"]) == (0.0, 0.0, None)
    assert (told["state"]["job"], told["state"]["job_count"]) == ("", 0)
    assert {"skipped", "interrupted", "job_no", "job_timestamp", "sampling_step"} <= told["state"].keys()
    assert "textinfo" in told


def test_interrupt_and_skip_of_an_idle_server(api: webuiapi.WebUIApi) -> None:
    assert api.interrupt() == {}
    assert api.skip() is None


def watched(api: webuiapi.WebUIApi, **fields: Any) -> tuple[threading.Thread, list[Any]]:
    """A long generation on a thread of its own, once it is under way."""
    results: list[Any] = []
    thread = threading.Thread(
        target=lambda: results.append(api.txt2img(prompt="x", width=64, height=64, **fields))
    )
    thread.start()
    end = time.monotonic() + 60
    while api.get_progress()["state"]["sampling_step"] < 2:
        assert time.monotonic() < end
        assert thread.is_alive(), "it ended before it could be watched"
        time.sleep(0.01)
    return thread, results


def test_interrupting_ends_a_generation_with_what_it_has(api: webuiapi.WebUIApi) -> None:
    thread, results = watched(api, steps=2000, n_iter=2)
    told = api.get_progress()
    assert 0 < told["progress"] < 1
    assert (told["state"]["job_count"], told["state"]["sampling_steps"]) == (2, 2000)
    assert api.interrupt() == {}
    thread.join(60)
    assert not thread.is_alive()
    assert len(results[0].images) == 1
    assert api.get_progress()["state"]["job_count"] == 0


def test_skipping_goes_on_with_the_next_picture(api: webuiapi.WebUIApi) -> None:
    thread, results = watched(api, steps=2000, n_iter=2)
    assert api.skip() is None
    end = time.monotonic() + 60
    while api.get_progress()["state"]["job_no"] < 1:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert thread.is_alive(), "the second picture is being made"
    api.interrupt()
    thread.join(60)
    assert len(results[0].images) == 2


def test_a_preview_appears_while_it_is_made(api: webuiapi.WebUIApi) -> None:
    thread, _ = watched(api, steps=2000, override_settings={"show_progress_every_n_steps": 1})
    end = time.monotonic() + 60
    while (image := api.get_progress()["current_image"]) is None:
        assert time.monotonic() < end
    assert not image.startswith("data:")
    api.interrupt()
    thread.join(60)
    assert not thread.is_alive()
