"""Pictures on disk: folders, names, contents, and nothing half written."""

from __future__ import annotations

import base64
import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

NO_DATE = {"save_to_dirs": False, "grid_save_to_dirs": False}


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, str]:
    """Settings that send all pictures to folders of this test."""
    keys = [f"outdir_{kind}_{what}" for kind in ("txt2img", "img2img") for what in ("samples", "grids")]
    return {key: str(tmp_path / key) for key in keys}


def saved(root: Path) -> list[str]:
    """The names below `root`, sorted."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_folders_and_names_of_the_original(start_server: Callable[..., Any], read: Any) -> None:
    server = start_server()
    server.txt2img(steps=1)
    assert not (server.data_dir / "outputs").exists(), "nothing is saved unless asked"
    days = {datetime.date.today().isoformat()}
    reply = server.txt2img(seed=7, batch_size=2, save_images=True)
    server.txt2img(seed=9, save_images=True)
    server.img2img(Image.new("RGB", (64, 64)), seed=4, save_images=True)
    days.add(datetime.date.today().isoformat())
    names = saved(server.data_dir / "outputs")
    assert {Path(name).parent.name for name in names} <= days
    assert sorted((Path(name).parts[0], Path(name).name) for name in names) == [
        ("img2img-images", "00000-4.png"),
        ("txt2img-grids", "grid-0000.png"),
        ("txt2img-images", "00000-7.png"),
        ("txt2img-images", "00001-8.png"),
        ("txt2img-images", "00002-9.png"),
    ]
    path = server.data_dir / "outputs" / next(name for name in names if name.endswith("00001-8.png"))
    with Image.open(path) as picture:
        assert picture.info["parameters"] == read.info(reply)["infotexts"][2]
        assert picture.tobytes() == read.image(reply, 2).tobytes()


def test_a_saved_batch_comes_with_its_grid_first(
    server: Any, read: Any, folders: dict[str, str], tmp_path: Path
) -> None:
    reply = server.txt2img(seed=7, batch_size=3, save_images=True, override_settings=folders | NO_DATE)
    info = read.info(reply)
    assert (len(reply["images"]), len(info["infotexts"]), len(info["all_seeds"])) == (4, 4, 3)
    assert info["index_of_first_image"] == 1
    assert read.image(reply, 0).size == (128, 128)
    assert info["infotexts"][0] == info["infotexts"][1]
    assert saved(tmp_path) == [
        "outdir_txt2img_grids/grid-0000.png",
        "outdir_txt2img_samples/00000-7-a red apple.png",
        "outdir_txt2img_samples/00001-8-a red apple.png",
        "outdir_txt2img_samples/00002-9-a red apple.png",
    ]


def test_the_flags_of_the_original_are_ignored(server: Any, folders: dict[str, str], tmp_path: Path) -> None:
    flags = {"do_not_save_samples": True, "do_not_save_grid": True, "save_images": True}
    reply = server.txt2img(n_iter=2, **flags, override_settings=folders)
    assert len(saved(tmp_path)) == 3
    assert len(reply["images"]) == 3
    reply = server.txt2img(n_iter=2, do_not_save_samples=False, override_settings=folders)
    assert len(saved(tmp_path)) == 3
    assert len(reply["images"]) == 2


def test_pictures_are_saved_even_when_not_sent(server: Any, folders: dict[str, str], tmp_path: Path) -> None:
    reply = server.txt2img(send_images=False, save_images=True, override_settings=folders)
    assert reply["images"] == []
    assert len(saved(tmp_path)) == 1


def test_a_single_picture_has_no_grid(server: Any, folders: dict[str, str], tmp_path: Path) -> None:
    reply = server.txt2img(save_images=True, override_settings=folders | {"grid_only_if_multiple": True})
    assert len(reply["images"]) == 1
    assert not (tmp_path / "outdir_txt2img_grids").exists()


def test_the_grid_may_be_saved_and_not_returned(
    server: Any, read: Any, folders: dict[str, str], tmp_path: Path
) -> None:
    options = folders | {"return_grid": False}
    reply = server.txt2img(batch_size=2, save_images=True, override_settings=options)
    assert len(reply["images"]) == 2
    assert read.info(reply)["index_of_first_image"] == 0
    assert (tmp_path / "outdir_txt2img_grids").exists()


def test_numbers_count_on_and_nothing_is_left_behind(
    server: Any, folders: dict[str, str], tmp_path: Path
) -> None:
    for _ in range(3):
        server.txt2img(seed=5, steps=1, save_images=True, override_settings=folders | NO_DATE)
    assert [name.split("/")[1][:7] for name in saved(tmp_path)] == ["00000-5", "00001-5", "00002-5"]
    assert not [name for name in saved(tmp_path) if ".tmp" in name]


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("[seed]-[steps]-[width]x[height]", "00000-5-2-64x64.png"),
        ("[model_name]-[sampler]-[cfg]", "00000-{model}-Euler-7.0.png"),
        ("[prompt_words]-[denoising]-[nobody]", "00000-a red apple-[nobody].png"),
        ("../[seed]/..", "00000-.._5_...png"),
    ],
)
def test_name_patterns(
    server: Any, read: Any, folders: dict[str, str], tmp_path: Path, pattern: str, name: str
) -> None:
    options = folders | {"samples_filename_pattern": pattern, "save_to_dirs": False}
    reply = server.txt2img(seed=5, save_images=True, override_settings=options)
    expected = name.format(model=read.info(reply)["sd_model_name"])
    assert saved(tmp_path / "outdir_txt2img_samples") == [expected]


@pytest.mark.parametrize(("form", "media"), [("jpg", "JPEG"), ("webp", "WEBP")])
def test_other_formats_on_disk(
    server: Any, read: Any, folders: dict[str, str], tmp_path: Path, form: str, media: str
) -> None:
    options = folders | NO_DATE | {"samples_format": form}
    reply = server.txt2img(save_images=True, override_settings=options)
    (path,) = (tmp_path / "outdir_txt2img_samples").iterdir()
    assert path.suffix == f".{form}"
    with Image.open(path) as picture:
        assert picture.format == media
    image = base64.b64encode(path.read_bytes()).decode()
    told = server.post("/sdapi/v1/png-info", {"image": image}).json()
    assert told["info"] == read.info(reply)["infotexts"][0]


def test_the_text_file_beside_the_picture(
    server: Any, read: Any, folders: dict[str, str], tmp_path: Path
) -> None:
    options = folders | NO_DATE | {"save_txt": True}
    reply = server.txt2img(seed=5, save_images=True, override_settings=options)
    text = tmp_path / "outdir_txt2img_samples" / "00000-5-a red apple.txt"
    assert text.read_text() == read.info(reply)["infotexts"][0] + "\n"


def test_a_small_copy_of_a_large_picture(server: Any, folders: dict[str, str], tmp_path: Path) -> None:
    options = folders | NO_DATE | {"target_side_length": 48}
    server.txt2img(seed=5, save_images=True, override_settings=options)
    copy = tmp_path / "outdir_txt2img_samples" / "00000-5-a red apple.jpg"
    with Image.open(copy) as picture:
        assert (picture.format, picture.size) == ("JPEG", (48, 48))
