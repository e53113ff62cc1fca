"""The scripts that come along on a real server: pictures, progress, interruption, files."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageStat

PROGRESS = "/sdapi/v1/progress"
FAST = {"prompt": "a red apple", "steps": 1, "width": 64, "height": 64, "seed": 1, "sampler_name": "Euler"}
PLOT_FLAGS = [False, True]


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    """Something to begin with."""
    return Image.linear_gradient("L").resize((64, 64)).convert("RGB")


@pytest.fixture
def images(pictures: Any) -> Callable[[dict[str, Any]], list[Image.Image]]:
    """The pictures of a reply."""
    return lambda reply: [pictures.decode(text) for text in reply["images"]]


@pytest.fixture
def pool() -> Any:
    with ThreadPoolExecutor(2) as threads:
        yield threads


def plot(*sides: Any, **fields: Any) -> dict[str, Any]:
    arguments = [value for side in sides for value in (*side, None)]
    arguments += [0, "", None] * (3 - len(sides))
    return {"script_name": "x/y/z plot", "script_args": arguments + PLOT_FLAGS} | fields


def test_cells_are_the_pictures_of_plain_requests(server: Any, images: Any) -> None:
    made = images(server.txt2img(**FAST | plot((4, "1, 2"), (24, "1, 2"))))
    assert [image.size for image in made] == [(128, 128)] + [(64, 64)] * 4
    for number, (skip, steps) in enumerate((skip, steps) for skip in (1, 2) for steps in (1, 2)):
        settings = {"CLIP_stop_at_last_layers": skip}
        (plain,) = images(server.txt2img(**FAST | {"steps": steps, "override_settings": settings}))
        assert made[1 + number].tobytes() == plain.tobytes()
        corner = (number % 2 * 64, number // 2 * 64)
        cut = made[0].crop((*corner, corner[0] + 64, corner[1] + 64))
        assert cut.tobytes() == plain.tobytes()


def test_a_cell_that_cannot_be_made_is_black_and_the_server_goes_on(server: Any, images: Any) -> None:
    reply = server.txt2img(**FAST | plot((4, "0, 1")))
    assert images(reply)[1].getextrema() == ((0, 0),) * 3
    assert images(reply)[2].getextrema() != ((0, 0),) * 3
    refused = server.post("/sdapi/v1/txt2img", FAST | plot((4, "0")))
    assert refused.status_code == 422
    assert refused.json()["detail"][0]["loc"] == ["body", "steps"]


def test_loopback_and_sd_upscale_make_what_they_say(server: Any, images: Any, photo: Image.Image) -> None:
    reply = server.img2img(photo, **FAST | {"script_name": "Loopback", "script_args": [2, 0.3]})
    first = server.img2img(photo, **FAST | {"denoising_strength": 0.75})
    assert [image.size for image in images(reply)] == [(128, 64), (64, 64), (64, 64)]
    assert images(reply)[1].tobytes() == images(first)[0].tobytes()
    reply = server.img2img(
        photo, **FAST | {"script_name": "SD upscale", "script_args": ["", 8, "Lanczos", 2]}
    )
    assert [image.size for image in images(reply)] == [(128, 128)]
    assert "SD upscale upscaler: Lanczos" in json.loads(reply["info"])["infotexts"][0]


def test_colours_stay_those_of_the_first_picture(server: Any, images: Any) -> None:
    bands = Image.effect_noise((64, 64), 60).split() * 3
    blue = Image.merge("RGB", [bands[0].point(lambda value: value // 8)] * 2 + [bands[0]])
    fields = FAST | {"script_name": "Loopback", "script_args": [3, 1.0], "denoising_strength": 1.0}
    corrected = images(server.img2img(blue, **fields, override_settings={"img2img_color_correction": True}))
    for image in corrected[1:]:
        red, _, strong = ImageStat.Stat(image).mean
        assert strong > red


def test_lines_are_the_pictures_of_plain_requests(server: Any, images: Any) -> None:
    lines = "--prompt a cat --seed 7\na dog"
    fields = {
        "prompt": "",
        "script_name": "Prompts from file or textbox",
        "script_args": [False, False, "start", lines],
    }
    reply = server.txt2img(**FAST | fields)
    plain = [
        server.txt2img(**FAST | {"prompt": prompt, "seed": seed})
        for prompt, seed in (("a cat", 7), ("a dog", 1))
    ]
    assert [image.tobytes() for image in images(reply)] == [images(one)[0].tobytes() for one in plain]
    assert json.loads(reply["info"])["all_seeds"] == [7, 1]


def follow(server: Any, reply: Any) -> list[dict[str, Any]]:
    states = []
    while not reply.done():
        states.append(server.get(PROGRESS).json())
    return states


def test_progress_runs_over_all_parts(server: Any, pool: ThreadPoolExecutor) -> None:
    fields = FAST | plot((1, "1-5"), force_task_id="task(plot)", steps=3)
    polls = follow(server, pool.submit(server.txt2img, **fields))
    ours = [
        poll for poll in polls if poll.get("current_task") == "task(plot)" and poll["state"]["job_count"] > 0
    ]
    assert {poll["state"]["job_count"] for poll in ours} == {5}
    shares = [poll["progress"] for poll in ours]
    assert shares == sorted(shares)
    titles = [poll["state"]["job"] for poll in ours if poll["state"]["job"] != "scripts_txt2img"]
    assert titles == sorted(titles)
    assert set(titles) <= {f"{number} out of 5" for number in range(1, 6)}
    assert len(set(titles)) > 1


def test_interruption_ends_a_plot_with_what_it_has(
    server: Any, pool: ThreadPoolExecutor, images: Any
) -> None:
    reply = pool.submit(server.txt2img, **FAST | plot((1, "1-60"), force_task_id="task(long)", steps=3))
    while not reply.done():
        told = server.get(PROGRESS).json()
        if told.get("current_task") == "task(long)" and told["state"]["job_no"] >= 2:
            server.post("/sdapi/v1/interrupt?id_task=task(long)")
            break
    made = images(reply.result())
    assert len(made) == 61
    black = [image.getextrema() == ((0, 0),) * 3 for image in made[1:]]
    assert not any(black[:2])
    assert all(black[30:])


def saved(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.png"))


def test_files_are_written_only_where_the_request_wants_them(start_server: Any, photo: Image.Image) -> None:
    server = start_server()
    outputs = server.data_dir / "outputs"
    upscale = FAST | {"script_name": "SD upscale", "script_args": ["", 8, "Lanczos", 2]}
    server.txt2img(**FAST | plot((1, "1, 2")))
    server.img2img(photo, **upscale)
    assert saved(outputs) == []
    server.img2img(photo, **upscale, save_images=True)
    assert saved(outputs / "img2img-images") == ["00000-1.png"]
    assert Image.open(next((outputs / "img2img-images").rglob("*.png"))).size == (128, 128)
    server.img2img(photo, **FAST, script_name="loopback", script_args=[2], save_images=True)
    assert saved(outputs / "img2img-grids") == ["grid-0000.png"]
    server.txt2img(**FAST | plot((1, "1, 2")), save_images=True)
    assert saved(outputs / "txt2img-grids") == ["xyz_grid-0000.png"]
    assert saved(outputs / "txt2img-images") == ["00000-1.png", "00001-2.png"]
    assert "X Type: Seed" in Image.open(next((outputs / "txt2img-grids").rglob("*.png"))).text["parameters"]
    server.txt2img(**FAST | {"prompt": "a|b"}, script_name="prompt matrix", save_images=True)
    assert saved(outputs / "txt2img-grids") == ["prompt_matrix-0000.png", "xyz_grid-0000.png"]


def test_scripts_are_listed_by_route(server: Any) -> None:
    names = server.get("/sdapi/v1/scripts").json()
    both = ["prompt matrix", "prompts from file or textbox", "x/y/z plot"]
    assert [name for name in names["txt2img"] if name in both] == both
    assert {"loopback", "sd upscale", *both} <= set(names["img2img"])
    assert not {"loopback", "sd upscale"} & set(names["txt2img"])
