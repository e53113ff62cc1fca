"""The outpainting scripts: sizes, what is kept, tiles and sides, progress and interruption."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sdapi_compat.imaging.wire import ImageLimits
from sdapi_compat.options.snapshot import Snapshot
from sdapi_compat.plan.draft import Draft, Limits, from_img2img
from sdapi_compat.schema.img2img import StableDiffusionProcessingImg2Img
from sdapi_compat.scripting import Outcome, Picture
from sdapi_compat.scripting.index import discover

ROOT = Path(__file__).resolve().parents[2]
INDEX = discover([ROOT / "scripts"], [])
POOR, MK2 = "Poor man's outpainting", "Outpainting mk2"
EVERYWHERE = ["left", "right", "up", "down"]
WHITE = Image.new("RGB", (64, 64), (250, 250, 250))


def arguments(script: str, pixels: int, blur: int, directions: list[str]) -> list[Any]:
    return [pixels, blur, 0, directions] if script == POOR else [None, pixels, blur, directions, 1.0, 0.05]


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    y, x = np.mgrid[0:64, 0:64]
    return Image.fromarray(np.stack([x * 4, y * 4, (x // 8 + y // 8) % 2 * 200], axis=2).astype(np.uint8))


@pytest.fixture
def asked(pictures: Any, photo: Image.Image) -> Callable[..., list[Draft]]:
    """The drafts a script asks for, each answered with white pictures."""

    def run(script: str, given: list[Any], **fields: Any) -> list[Draft]:
        image = fields.pop("image", photo)
        body = {"init_images": [pictures.encode(image)], "width": 64, "height": 64, "seed": 7} | fields
        draft = from_img2img(
            StableDiffusionProcessingImg2Img(**body), Snapshot({}), Limits(ImageLimits(), 4096)
        )
        chosen = INDEX.select(script, given, "img2img")
        assert chosen is not None
        work = chosen.plugin.prepare(draft, chosen.arguments, None)
        running, drafts = chosen.plugin.run(draft, work), []
        answer = None
        try:
            while True:
                drafts.append(running.send(answer))
                size = drafts[-1].width // 8 * 8, drafts[-1].height // 8 * 8
                made = [Picture(WHITE.resize(size), "text")] * drafts[-1].batch_size
                assert not drafts[-1].save_images, "parts are no pictures to be saved"
                answer = Outcome(made, ["text"] * len(made), {})
        except StopIteration as stop:
            run.outcome = stop.value  # type: ignore[attr-defined]
        assert [1] * len(drafts) == chosen.plugin.parts(draft, work)
        return drafts

    return run


def array(image: Image.Image | None) -> np.ndarray:
    assert image is not None
    return np.asarray(image.convert("RGB")).astype(int)


def test_poor_mans_tiles_that_touch_the_new_area(asked: Any, photo: Image.Image) -> None:
    drafts = asked(POOR, arguments(POOR, 32, 4, EVERYWHERE))
    # 128 wide, tiles of 64 with 32 in common: 3 x 3, of which the middle one is old.
    assert [draft.seed for draft in drafts] == list(range(7, 15))
    corner = drafts[0].picture
    assert array(corner.init_images[0])[:32].max() == 0
    assert np.array_equal(array(corner.init_images[0])[32:, 32:], array(photo)[:32, :32])
    assert (corner.mask_blur_x, corner.mask_blur_y, corner.full_res) == (8, 8, False)
    mask, latent_mask = np.asarray(corner.mask), np.asarray(corner.latent_mask)
    assert (mask[:40].min(), mask[40:, 40:].max()) == (255, 0), (
        "pixels are painted twice the blur into the old"
    )
    assert (latent_mask[:34].min(), latent_mask[34:, 34:].max()) == (255, 0)


@pytest.mark.parametrize(("fill", "number"), [(2, 2), ("original", 1), ("fill", 0)])
def test_poor_mans_fill_is_a_number_or_a_name(asked: Any, fill: Any, number: int) -> None:
    drafts = asked(POOR, [48, 0, fill, ["left"]])
    assert {draft.picture.inpainting_fill for draft in drafts} == {number}


def test_mk2_asks_side_by_side(asked: Any, photo: Image.Image) -> None:
    drafts = asked(MK2, arguments(MK2, 64, 4, EVERYWHERE))
    assert [(draft.width, draft.height) for draft in drafts] == [(64, 64), (64, 64), (192, 64), (192, 64)]
    left = drafts[0].picture
    assert (left.mask_blur_x, left.mask_blur_y, left.inpainting_fill, left.full_res) == (16, 16, 1, False)
    assert (np.asarray(left.mask) == 255).all(), "the window holds nothing of the old picture"
    wide = asked(MK2, arguments(MK2, 64, 4, EVERYWHERE), width=128)[0].picture
    assert np.array_equal(array(wide.init_images[0])[:, 68:], array(photo)[:, 4:])
    mask, latent_mask = np.asarray(wide.mask), np.asarray(wide.latent_mask)
    assert (mask[:, :68].min(), mask[:, 68:].max()) == (255, 0)
    assert (latent_mask[:, :72].min(), latent_mask[:, 72:].max()) == (255, 0)


def test_mk2_blurs_only_along_the_axes_that_grow(asked: Any) -> None:
    (draft,) = asked(MK2, arguments(MK2, 64, 4, ["down"]))
    assert (draft.picture.mask_blur_x, draft.picture.mask_blur_y) == (0, 16)


def test_mk2_fills_the_new_side_with_noise_in_the_picture_s_colours(asked: Any) -> None:
    grey = Image.linear_gradient("L").resize((64, 64)).convert("RGB")
    (draft,) = asked(MK2, [None, 64, 0, ["right"], 1.0, 0.0], image=grey, width=128)
    new = array(draft.picture.init_images[0])[:, 64:]
    assert new.std() > 10
    assert np.ptp(new, axis=2).max() == 0


def test_mk2_batches_and_iterations_have_their_own_seeds(asked: Any) -> None:
    drafts = asked(MK2, arguments(MK2, 64, 4, ["left", "up"]), batch_size=2, n_iter=2)
    assert [(draft.seed, draft.batch_size, draft.n_iter) for draft in drafts] == [(7, 2, 1)] * 2 + [
        (9, 2, 1)
    ] * 2
    assert len(drafts[0].picture.init_images) == 2
    assert len(asked.outcome.pictures) == 5
    assert asked.outcome.pictures[0].image.size == (256, 256), "their grid comes first"


def test_odd_sizes_lose_nothing(asked: Any) -> None:
    image = Image.new("RGB", (101, 75), "red")
    asked(MK2, arguments(MK2, 30, 0, ["left", "down"]), image=image)
    (picture,) = asked.outcome.pictures
    assert picture.image.size == (192, 128)
    assert picture.image.getpixel((190, 1)) == (255, 0, 0)


@pytest.mark.parametrize("script", [POOR, MK2])
def test_masks_in_the_reply_of_a_part_are_no_pictures(script: str, photo: Image.Image, asked: Any) -> None:
    asked(script, arguments(script, 48, 0, EVERYWHERE), override_settings={"return_mask": True})
    (picture,) = asked.outcome.pictures
    assert picture.image.size == (192, 192)


@pytest.fixture
def outpaint(server: Any, photo: Image.Image) -> Callable[..., dict[str, Any]]:
    def post(script: str, given: list[Any], **fields: Any) -> dict[str, Any]:
        return dict(server.img2img(photo, script_name=script, script_args=given, **fields))

    return post


@pytest.mark.parametrize("script", [POOR, MK2])
@pytest.mark.parametrize(
    "growth",
    [
        (EVERYWHERE, (128, 128), (32, 32)),
        (["left", "right"], (128, 64), (32, 0)),
        (["up"], (64, 128), (0, 64)),
        (["right"], (128, 64), (0, 0)),
    ],
)
def test_the_picture_grows_and_its_middle_stays(
    outpaint: Any,
    pictures: Any,
    photo: Image.Image,
    script: str,
    growth: tuple[list[str], tuple[int, int], tuple[int, int]],
) -> None:
    directions, size, corner = growth
    reply = outpaint(script, arguments(script, 32, 0, directions), inpainting_mask_invert=1)
    (image,) = (pictures.decode(text) for text in reply["images"])
    assert image.size == size
    kept = array(image)[corner[1] : corner[1] + 64, corner[0] : corner[0] + 64]
    assert np.array_equal(kept, array(photo))
    assert array(image).std(axis=(0, 1)).min() > 0
    info = json.loads(reply["info"])
    assert len(info["infotexts"]) == 1
    assert "Mask mode" not in info["infotexts"][0]
    assert pictures.decode(reply["images"][0]).info["parameters"] == info["infotexts"][0]


@pytest.mark.parametrize("script", [POOR, MK2])
def test_a_request_is_reproducible_from_its_seed(outpaint: Any, script: str) -> None:
    given = arguments(script, 48, 2, ["left"])
    first = outpaint(script, given, seed=-1)
    seed = json.loads(first["info"])["seed"]
    assert outpaint(script, given, seed=seed)["images"] == first["images"]
    assert outpaint(script, given, seed=seed + 5)["images"] != first["images"]


@pytest.mark.parametrize("script", [POOR, MK2])
@pytest.mark.parametrize(("pixels", "directions"), [(0, ["left"]), (100_000, ["left"]), (64, [])])
def test_what_cannot_be_grown_by_is_refused(
    server: Any, pictures: Any, photo: Image.Image, script: str, pixels: int, directions: list[str]
) -> None:
    given = arguments(script, pixels, 4, directions)
    body = {"init_images": [pictures.encode(photo)], "script_name": script, "script_args": given}
    reply = server.post("/sdapi/v1/img2img", body)
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"][:2] == ["body", "script_args"]


@pytest.mark.parametrize("script", [POOR, MK2])
def test_an_interrupted_script_gives_what_it_has(
    server: Any, outpaint: Any, photo: Image.Image, pictures: Any, script: str
) -> None:
    replies: list[dict[str, Any]] = []
    given = arguments(script, 32, 0, EVERYWHERE)
    thread = threading.Thread(target=lambda: replies.append(outpaint(script, given, steps=200)))
    thread.start()
    fractions = []
    while not any(fraction > 0.02 for fraction in fractions):
        time.sleep(0.02)
        fractions.append(server.get("/sdapi/v1/progress?skip_current_image=true").json()["progress"])
    assert fractions[-1] < 0.5, "all parts count"
    server.post("/sdapi/v1/interrupt")
    thread.join(60)
    (image,) = (pictures.decode(text) for text in replies[0]["images"])
    assert image.width >= 64


@pytest.mark.parametrize("script", [POOR, MK2])
def test_the_large_picture_is_saved_and_its_parts_are_not(
    outpaint: Any, server: Any, pictures: Any, script: str
) -> None:
    folder = server.data_dir / "outputs" / "img2img-images"
    before = set(folder.rglob("*.png"))
    reply = outpaint(script, arguments(script, 48, 0, ["left", "up"]), save_images=True)
    (saved,) = set(folder.rglob("*.png")) - before
    with Image.open(saved) as image:
        assert image.size == (128, 128)
        assert image.tobytes() == pictures.decode(reply["images"][0]).tobytes()


@pytest.mark.parametrize(
    ("script", "labels"),
    [
        (POOR, ["Pixels to expand", "Mask blur", "Masked content", "Outpainting direction"]),
        (
            MK2,
            [
                "",
                "Pixels to expand",
                "Mask blur",
                "Outpainting direction",
                "Fall-off exponent (lower=higher detail)",
                "Color variation",
            ],
        ),
    ],
)
def test_they_are_listed_as_the_original(server: Any, script: str, labels: list[str]) -> None:
    assert script.lower() in server.get("/sdapi/v1/scripts").json()["img2img"]
    assert script.lower() not in server.get("/sdapi/v1/scripts").json()["txt2img"]
    (info,) = [one for one in server.get("/sdapi/v1/script-info").json() if one["name"] == script.lower()]
    assert [argument["label"] for argument in info["args"]] == labels
    by_label = {argument["label"]: argument for argument in info["args"]}
    assert by_label["Pixels to expand"] == {
        "label": "Pixels to expand",
        "value": 128,
        "minimum": 8,
        "maximum": 256,
        "step": 8,
        "choices": None,
    }
    assert by_label["Outpainting direction"]["value"] == EVERYWHERE
    assert by_label["Outpainting direction"]["choices"] == EVERYWHERE
    if script == POOR:
        assert by_label["Masked content"]["value"] == "fill"
