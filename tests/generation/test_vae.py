"""What decodes and encodes: the VAE, or TAESD where its files are; in pictures and in previews."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from PIL import Image
from safetensors.torch import save_file

NUMBERS = itertools.count()
PATIENCE_SECONDS = 120.0
DECODE = {"override_settings": {"sd_vae_decode_method": "TAESD"}}
ENCODE = {"override_settings": {"sd_vae_encode_method": "TAESD"}}


@pytest.fixture(scope="module")
def tiny(launch: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server with TAESD files; their weights are random."""
    data_dir = tmp_path_factory.mktemp("taesd")
    torch.manual_seed(1)
    network = AutoencoderTiny()
    for folder, part in (("VAE-taesd", "decoder"), ("VAE-approx", "encoder")):
        path = data_dir / "models" / folder / f"taesd_{part}.safetensors"
        path.parent.mkdir(parents=True)
        save_file(dict(network.get_submodule(part).state_dict()), path)
    return launch(data_dir)


def keys(read: Any, reply: Any) -> list[str]:
    return list(read.pairs(reply))


def test_taesd_decodes(tiny: Any, read: Any) -> None:
    full, one, other = tiny.txt2img(), tiny.txt2img(**DECODE), tiny.txt2img(**DECODE)
    assert read.difference(full, one) > 10
    assert read.difference(one, other) == 0
    assert read.pairs(one)["VAE Decoder"] == "TAESD"
    assert "VAE Decoder" not in read.pairs(full)
    assert keys(read, one)[-2:] == ["VAE Decoder", "Version"]


def test_taesd_encodes(tiny: Any, read: Any, photo: Image.Image) -> None:
    full, one = tiny.img2img(photo), tiny.img2img(photo, **ENCODE)
    assert read.difference(full, one) > 0
    pairs = keys(read, one)
    assert pairs[pairs.index("Denoising strength") + 1] == "VAE Encoder"
    assert "VAE Decoder" not in pairs


def test_the_infotext_of_a_filled_mask(tiny: Any, read: Any, photo: Image.Image, pictures: Any) -> None:
    mask = pictures.encode(Image.new("L", (64, 64), 255))
    for fill, order in ((0, ["Masked content", "VAE Encoder"]), (2, ["VAE Encoder", "Masked content"])):
        reply = tiny.img2img(photo, mask=mask, inpainting_fill=fill, inpaint_full_res=False, **ENCODE)
        found = [key for key in keys(read, reply) if key in order]
        assert found == order


def test_the_hires_pass_says_only_how_it_encoded(tiny: Any, read: Any) -> None:
    methods = {"sd_vae_decode_method": "TAESD", "sd_vae_encode_method": "TAESD"}
    hires = {"enable_hr": True, "denoising_strength": 0.7, "hr_scale": 1.5, "override_settings": methods}
    pixel = read.pairs(tiny.txt2img(hr_upscaler="Lanczos", **hires))
    assert pixel["VAE Encoder"] == "TAESD"
    assert "VAE Decoder" not in pixel
    latent = read.pairs(tiny.txt2img(hr_upscaler="Latent", **hires))
    assert {"VAE Encoder", "VAE Decoder"}.isdisjoint(latent)


@pytest.mark.parametrize(("route", "part"), [("txt2img", "decoder"), ("img2img", "encoder")])
def test_without_its_file_it_is_an_error_at_once(
    server: Any, pictures: Any, photo: Image.Image, route: str, part: str
) -> None:
    body: dict[str, Any] = {"steps": 1000, "width": 64, "height": 64, "init_images": [pictures.encode(photo)]}
    body |= DECODE if part == "decoder" else ENCODE
    reply = server.post(f"/sdapi/v1/{route}", body)
    assert reply.status_code == 500
    assert reply.json()["error"] == "FileNotFoundError"
    assert f"taesd_{part}" in reply.json()["errors"]


def test_txt2img_needs_no_encoder(server: Any, read: Any) -> None:
    reply = server.txt2img(**ENCODE)
    assert read.difference(reply, server.txt2img()) == 0
    assert "VAE Encoder" not in read.pairs(reply)


def test_another_word_means_the_vae(server: Any, read: Any) -> None:
    reply = server.txt2img(override_settings={"sd_vae_decode_method": "Approx"})
    assert read.difference(reply, server.txt2img()) == 0
    assert read.pairs(reply)["VAE Decoder"] == "Approx"


@pytest.fixture
def preview(pictures: Any) -> Any:
    """`preview(server, size, **options)`: whether a preview of that size comes while a job runs."""

    def seen(server: Any, size: tuple[int, int], **options: Any) -> bool:
        name = f"task(preview-{next(NUMBERS)})"
        settings = {"show_progress_every_n_steps": 1} | options
        fields = {"steps": 900, "batch_size": 2, "force_task_id": name, "override_settings": settings}
        with ThreadPoolExecutor(1) as pool:
            reply = pool.submit(server.txt2img, **fields)
            end = time.monotonic() + PATIENCE_SECONDS
            sizes = set()
            while not reply.done() and size not in sizes and time.monotonic() < end:
                shown = server.get(f"/sdapi/v1/progress?id_task={name}").json()["current_image"]
                sizes |= {pictures.decode(shown).size} if shown else set()
            server.post(f"/sdapi/v1/interrupt?id_task={name}")
            reply.result()
        return size in sizes

    return seen


Seen = Callable[..., bool]


def test_previews_by_taesd(tiny: Any, preview: Seen) -> None:
    assert preview(tiny, (128, 64), show_progress_type="TAESD")


def test_previews_by_the_vae(tiny: Any, preview: Seen) -> None:
    assert preview(tiny, (128, 64), show_progress_type="Full")


def test_previews_of_the_first_picture_alone(tiny: Any, preview: Seen) -> None:
    assert preview(tiny, (64, 64), show_progress_type="TAESD", show_progress_grid=False)


@pytest.mark.parametrize("kind", ["Approx NN", "Approx cheap", "TAESD"])
def test_other_previews_and_those_without_a_file_are_an_eighth_in_size(
    server: Any, preview: Seen, kind: str
) -> None:
    assert preview(server, (16, 8), show_progress_type=kind)
