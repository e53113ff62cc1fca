"""Pictures that options want saved beside the finished ones."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

STEPS = 3


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Any]:
    """Settings that send all pictures to `tmp_path`, by kind, without folders of the day."""
    keys = [f"outdir_{kind}_{what}" for kind in ("txt2img", "img2img") for what in ("samples", "grids")]
    places: dict[str, Any] = {key: str(tmp_path / key) for key in (*keys, "outdir_init_images")}
    return places | {"save_to_dirs": False, "grid_save_to_dirs": False, "samples_filename_pattern": "[seed]"}


def names(root: Path) -> list[str]:
    """The names of all files, sorted."""
    return sorted(path.name for path in root.rglob("*") if path.is_file())


def opened(root: Path, name: str) -> Image.Image:
    (path,) = root.rglob(name)
    image = Image.open(path)
    image.load()
    return image


HIRES = {"enable_hr": True, "denoising_strength": 0.7, "hr_scale": 1.5, "steps": STEPS, "seed": 5}


@pytest.mark.parametrize("upscaler", ["Latent", "Lanczos"])
def test_the_first_pass(
    server: Any, read: Any, folders: dict[str, Any], tmp_path: Path, upscaler: str
) -> None:
    options = folders | {"save_images_before_highres_fix": True}
    reply = server.txt2img(
        **HIRES, hr_upscaler=upscaler, batch_size=2, save_images=True, override_settings=options
    )
    assert names(tmp_path / "outdir_txt2img_samples") == [
        "00000-5-before-highres-fix.png",
        "00001-6-before-highres-fix.png",
        "00002-5.png",
        "00003-6.png",
    ]
    first = opened(tmp_path, "00000-5-before-highres-fix.png")
    alone = server.txt2img(steps=STEPS, seed=5)
    assert first.size == (64, 64)
    difference = np.asarray(first).astype(int) - read.pixels(alone)
    assert np.abs(difference).max() <= 1
    assert first.info["parameters"].startswith("a red apple\nSteps: 3")
    assert "Hires upscale: 1.5" in first.info["parameters"]
    assert read.image(reply, 1).size == (96, 96)
    without = server.txt2img(
        **HIRES, hr_upscaler=upscaler, batch_size=2, save_images=True, override_settings=folders
    )
    assert np.array_equal(read.pixels(without, 1), read.pixels(reply, 1)), "looking changes nothing"


def test_the_first_pass_stays_where_nothing_is_saved(
    server: Any, folders: dict[str, Any], tmp_path: Path
) -> None:
    options = folders | {"save_images_before_highres_fix": True}
    server.txt2img(**HIRES, override_settings=options)
    server.txt2img(**HIRES, save_images=True, override_settings=options | {"samples_save": False})
    assert names(tmp_path) == []


def test_the_colours_before_their_correction(
    server: Any, read: Any, folders: dict[str, Any], tmp_path: Path, photo: Image.Image
) -> None:
    options = folders | {"save_images_before_color_correction": True, "img2img_color_correction": True}
    body = {"seed": 5, "steps": STEPS}
    server.img2img(photo, **body, save_images=True, override_settings=options)
    assert names(tmp_path / "outdir_img2img_samples") == [
        "00000-5-before-color-correction.png",
        "00001-5.png",
    ]
    plain = server.img2img(photo, **body)
    before = np.asarray(opened(tmp_path, "00000-5-before-color-correction.png"))
    assert np.array_equal(before, read.pixels(plain))
    corrected = np.asarray(opened(tmp_path, "00001-5.png")).astype(int)
    assert np.abs(corrected - before).max() > 5
    uncorrected = folders | {"save_images_before_color_correction": True}
    server.img2img(photo, **body, save_images=True, override_settings=uncorrected)
    assert len(names(tmp_path / "outdir_img2img_samples")) == 3, "nothing is corrected, nothing was before"


@pytest.fixture
def inpaint(server: Any, pictures: Any, photo: Image.Image, mask: Image.Image) -> Callable[..., Any]:
    """img2img of the photo under the mask, saved: `inpaint(options)`."""
    body = {"seed": 5, "steps": STEPS, "inpaint_full_res": False, "save_images": True}

    def make(options: dict[str, Any], *, masked: bool = True) -> Any:
        fields = body | ({"mask": pictures.encode(mask)} if masked else {})
        return server.img2img(photo, **fields, override_settings=options)

    return make


@pytest.mark.parametrize("returned", [False, True])
def test_masks(
    inpaint: Callable[..., Any], read: Any, folders: dict[str, Any], tmp_path: Path, returned: bool
) -> None:
    shown = {"return_mask": returned, "return_mask_composite": returned, "grid_save": False}
    options = folders | shown | {"save_mask": True, "save_mask_composite": True, "return_grid": False}
    reply = inpaint(options)
    assert len(reply["images"]) == (3 if returned else 1)
    assert names(tmp_path / "outdir_img2img_samples") == [
        "00000-5.png",
        "00001-5-mask.png",
        "00002-5-mask-composite.png",
    ]
    cut, composite = opened(tmp_path, "00001-5-mask.png"), opened(tmp_path, "00002-5-mask-composite.png")
    assert (cut.mode, composite.mode) == ("RGB", "RGBA")
    assert composite.getpixel((0, 0)) == (0, 0, 0, 0)
    assert composite.getpixel((32, 32))[3] == 255
    assert "Mask blur: 4" in cut.info["parameters"]
    if returned:
        assert np.array_equal(np.asarray(cut), read.pixels(reply, 1))
    assert len(inpaint(options, masked=False)["images"]) == 1
    assert len(names(tmp_path / "outdir_img2img_samples")) == 4, "no mask, nothing of it"


def test_inputs(server: Any, read: Any, folders: dict[str, Any], tmp_path: Path, photo: Image.Image) -> None:
    digest = hashlib.md5(photo.tobytes()).hexdigest()
    reply = server.img2img(photo, steps=STEPS, override_settings=folders | {"save_init_img": True})
    assert names(tmp_path) == [f"{digest}.png"]
    kept = opened(tmp_path / "outdir_init_images", f"{digest}.png")
    assert kept.tobytes() == photo.tobytes()
    assert read.pairs(reply)["Init image hash"] == digest
    assert "Init image hash" not in read.pairs(server.img2img(photo, steps=STEPS))
    server.img2img(photo, steps=STEPS, override_settings=folders | {"save_init_img": True})
    assert names(tmp_path) == [f"{digest}.png"], "the same picture is one file"


def test_names_of_grids(server: Any, folders: dict[str, Any], tmp_path: Path) -> None:
    server.txt2img(seed=5, batch_size=2, steps=1, save_images=True, override_settings=folders)
    options = folders | {"grid_extended_filename": True}
    server.txt2img(seed=5, batch_size=2, steps=1, save_images=True, override_settings=options)
    assert names(tmp_path / "outdir_txt2img_grids") == ["grid-0000.png", "grid-0001-5.png"]
