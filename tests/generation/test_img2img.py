"""Pictures from pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image


def test_strength_is_how_far_the_picture_is_left(server: Any, read: Any, photo: Image.Image) -> None:
    given = np.asarray(photo).astype(int)

    def distance(strength: float) -> float:
        made = read.pixels(server.img2img(photo, denoising_strength=strength, steps=4))
        return float(np.abs(made - given).mean())

    assert distance(0.0) * 2 < distance(1.0)


def test_the_same_request_is_the_same_picture(server: Any, photo: Image.Image) -> None:
    first = server.img2img(photo)
    server.txt2img(seed=77)
    assert server.img2img(photo)["images"] == first["images"]


def test_seeds_and_batches(server: Any, read: Any, photo: Image.Image) -> None:
    batch = server.img2img(photo, seed=5, batch_size=2, n_iter=2)
    assert read.info(batch)["all_seeds"] == [5, 6, 7, 8]
    alone = server.img2img(photo, seed=7)
    assert np.abs(read.pixels(batch, 2) - read.pixels(alone)).max() <= 2
    assert read.difference(batch, alone) > 2


@pytest.mark.parametrize("sampler", ["Euler", "DDIM"])
@pytest.mark.parametrize(("strength", "like"), [(1.7, 1.0), (-0.4, 0.0)])
def test_strengths_beyond_the_ends_are_the_ends(
    server: Any, read: Any, photo: Image.Image, sampler: str, strength: float, like: float
) -> None:
    fields = {"sampler_name": sampler, "steps": 3}
    reply = server.img2img(photo, denoising_strength=strength, **fields)
    assert read.difference(reply, server.img2img(photo, denoising_strength=like, **fields)) == 0
    assert read.pairs(reply)["Denoising strength"] == str(strength)


def test_the_strength_is_told_and_reported(server: Any, read: Any, photo: Image.Image) -> None:
    reply = server.img2img(photo)
    assert read.pairs(reply)["Denoising strength"] == "0.75"
    assert read.info(reply)["denoising_strength"] == 0.75


@pytest.mark.parametrize("mode", [0, 1, 2, 3])
def test_every_resize_mode_makes_the_asked_size(
    server: Any, read: Any, photo: Image.Image, mode: int
) -> None:
    wide = photo.resize((96, 64))
    reply = server.img2img(wide, width=64, height=80, resize_mode=mode)
    assert read.image(reply).size == (64, 80)


def test_resize_modes_see_the_picture_differently(server: Any, read: Any, photo: Image.Image) -> None:
    wide = photo.resize((96, 64))
    fields = {"width": 64, "height": 80, "denoising_strength": 0.1}
    made = [read.pixels(server.img2img(wide, resize_mode=mode, **fields)) for mode in range(4)]
    for one in range(4):
        for other in range(one):
            assert np.abs(made[one] - made[other]).max() > 5, (one, other)


def test_transparency_lies_on_white(server: Any, photo: Image.Image) -> None:
    clear = photo.convert("RGBA")
    clear.paste((0, 0, 0, 0), (0, 0, 32, 64))
    flat = Image.new("RGB", photo.size, "white")
    flat.paste(photo.crop((32, 0, 64, 64)), (32, 0))
    assert server.img2img(clear)["images"] == server.img2img(flat)["images"]


def test_grey_and_palette_pictures_are_taken(server: Any, read: Any, photo: Image.Image) -> None:
    for mode in ("L", "P", "1", "LA"):
        assert read.image(server.img2img(photo.convert("L").convert(mode))).size == (64, 64)


def test_a_data_uri_is_the_same_picture(server: Any, pictures: Any, photo: Image.Image) -> None:
    text = f"data:image/png;base64,{pictures.encode(photo)}"
    assert server.img2img(photo, init_images=[text])["images"] == server.img2img(photo)["images"]


def test_several_pictures_fill_a_batch(server: Any, read: Any, pictures: Any, photo: Image.Image) -> None:
    other = photo.rotate(90)
    both = [pictures.encode(photo), pictures.encode(other)]
    batch = server.img2img(photo, init_images=both, batch_size=2, seed=5)
    alone = server.img2img(other, seed=6)
    assert np.abs(read.pixels(batch, 1) - read.pixels(alone)).max() <= 2


def test_several_pictures_are_one_batch_whatever_its_size(
    server: Any, read: Any, pictures: Any, photo: Image.Image
) -> None:
    both = [pictures.encode(photo), pictures.encode(photo.rotate(90))]
    reply = server.img2img(photo, init_images=both, batch_size=3)
    assert len(reply["images"]) == 2
    assert read.info(reply)["batch_size"] == 2


def test_too_many_pictures_are_the_original_error(server: Any, pictures: Any, photo: Image.Image) -> None:
    body = {"init_images": [pictures.encode(photo)] * 2, "width": 64, "height": 64, "steps": 1}
    reply = server.post("/sdapi/v1/img2img", body)
    assert reply.status_code == 500
    assert reply.json()["error"] == "RuntimeError"
    assert reply.json()["errors"].startswith("bad number of images passed: 2")


def test_no_picture_is_not_found(server: Any) -> None:
    reply = server.post("/sdapi/v1/img2img", {"prompt": "x"})
    assert reply.status_code == 404
    assert reply.json()["detail"] == "Init image not found"


def test_noise_multiplier(server: Any, read: Any, photo: Image.Image) -> None:
    plain = server.img2img(photo)
    less = server.img2img(photo, initial_noise_multiplier=0.5)
    assert read.difference(plain, less) > 2
    assert read.pairs(less)["Noise multiplier"] == "0.5"
    by_option = server.img2img(photo, override_settings={"initial_noise_multiplier": 0.5})
    assert by_option["images"] == less["images"]
    assert "Noise multiplier" not in read.pairs(server.img2img(photo, initial_noise_multiplier=1.0))


def test_extra_noise(server: Any, read: Any, photo: Image.Image) -> None:
    noisy = server.img2img(photo, override_settings={"img2img_extra_noise": 0.3})
    assert read.difference(noisy, server.img2img(photo)) > 0
    assert read.pairs(noisy)["Extra noise"] == "0.3"


def test_fixed_steps_run_as_many_as_asked(server: Any, read: Any, photo: Image.Image) -> None:
    fields = {"denoising_strength": 0.5, "steps": 4}
    fixed = server.img2img(photo, **fields, override_settings={"img2img_fix_steps": True})
    assert read.difference(fixed, server.img2img(photo, **fields)) > 0


def test_color_correction_keeps_the_colours(server: Any, read: Any) -> None:
    blue = Image.new("RGB", (64, 64), (20, 40, 230))
    blue.paste((60, 80, 255), (0, 0, 32, 64))
    fields = {"denoising_strength": 1.0, "steps": 3}
    corrected = server.img2img(blue, **fields, override_settings={"img2img_color_correction": True})
    plain = server.img2img(blue, **fields)

    def blueness(reply: dict[str, Any]) -> float:
        red, _, blue_channel = read.pixels(reply).reshape(-1, 3).mean(axis=0)
        return float(blue_channel - red)

    assert blueness(corrected) > blueness(plain)


def test_init_images_are_echoed_only_when_wanted(
    server: Any, pictures: Any, photo: Image.Image, mask: Image.Image
) -> None:
    reply = server.img2img(photo, mask=pictures.encode(mask))
    assert (reply["parameters"]["init_images"], reply["parameters"]["mask"]) == (None, None)
    reply = server.img2img(photo, mask=pictures.encode(mask), include_init_images=True)
    assert reply["parameters"]["init_images"] == [pictures.encode(photo)]
    assert reply["parameters"]["mask"] == pictures.encode(mask)
