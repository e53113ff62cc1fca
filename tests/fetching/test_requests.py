"""Pictures by URL in requests to a whole server."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

SMALL = {"steps": 1, "width": 64, "height": 64, "sampler_name": "Euler", "seed": 1}
INFOTEXT = "a house\nSteps: 20, Sampler: Euler a, CFG scale: 7.0, Seed: 5, Size: 64x64"


def png(color: str = "red", size: tuple[int, int] = (64, 64)) -> bytes:
    info = PngInfo()
    info.add_text("parameters", INFOTEXT)
    data = io.BytesIO()
    Image.new("RGB", size, color).save(data, "PNG", pnginfo=info)
    return data.getvalue()


def configured(
    launch: Callable[..., Any], folder: Path, options: dict[str, Any], *flags: str, ready: bool = False
) -> Any:
    (folder / "config.json").write_text(json.dumps(options))
    return launch(folder, *flags, ready=ready)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, launch: Callable[..., Any]) -> Any:
    """A server that may fetch from local addresses, a MiB for each request."""
    options = {"api_forbid_local_requests": False, "api_useragent": "my agent"}
    return configured(launch, tmp_path_factory.mktemp("local"), options, "--max-fetch-mb", "1", ready=True)


def png_info(server: Any, url: str) -> Any:
    return server.post("/sdapi/v1/png-info", {"image": url})


def refusal(reply: Any) -> tuple[int, str]:
    body = reply.json()
    assert body == {"error": "HTTPException", "detail": body["detail"], "body": "", "errors": ""}
    return reply.status_code, body["detail"]


def test_every_field_takes_a_url(local: Any, web: Any, pictures: Any) -> None:
    web.page("/a.png", png())
    web.page("/mask.png", png("white"))
    url, mask = f"http://127.0.0.1:{web.port}/a.png", f"http://127.0.0.1:{web.port}/mask.png"
    assert png_info(local, url).json()["info"] == INFOTEXT
    one = local.post("/sdapi/v1/extra-single-image", {"image": f" {url}\n", "upscaler_1": "Nearest"}).json()
    assert pictures.decode(one["image"]).size == (128, 128)
    files = [{"data": url, "name": "a"}, {"data": mask, "name": "b"}]
    both = local.post("/sdapi/v1/extra-batch-images", {"imageList": files, "upscaler_1": "Nearest"}).json()
    assert [pictures.decode(image).getpixel((0, 0)) for image in both["images"]] == [
        (255, 0, 0),
        (255, 255, 255),
    ]
    body = SMALL | {"init_images": [url], "mask": mask, "include_init_images": True}
    reply = local.post("/sdapi/v1/img2img", body)
    assert reply.status_code == 200, reply.text
    assert reply.json()["parameters"]["init_images"] == [url]
    assert reply.json()["parameters"]["mask"] == mask
    assert {request.headers["User-Agent"] for request in web.seen} == {"my agent"}


def test_a_url_gives_the_same_picture_as_its_bytes(local: Any, web: Any, pictures: Any) -> None:
    web.page("/a.png", png())
    sent = SMALL | {"init_images": [pictures.encode(Image.new("RGB", (64, 64), "red"))]}
    named = SMALL | {"init_images": [f"http://127.0.0.1:{web.port}/a.png"]}
    images = [local.post("/sdapi/v1/img2img", body).json()["images"] for body in (sent, named)]
    assert images[0] == images[1]


@pytest.mark.parametrize(
    ("content", "status", "detail"),
    [
        (b"<html>no picture</html>", 500, "Invalid image url"),
        (b"", 500, "Invalid image url"),
        (png()[:100], 500, "Invalid image url"),
        (bytes(2**20 + 1), 413, "Image too large: more than 1048576 bytes of pictures by URL"),
    ],
)
def test_what_is_no_picture(local: Any, web: Any, content: bytes, status: int, detail: str) -> None:
    web.page("/x", content, headers={"Content-Type": "image/png"})
    found, words = refusal(png_info(local, f"http://127.0.0.1:{web.port}/x"))
    assert found == status
    assert words.startswith(detail)
    assert words == detail or status == 413


def test_pictures_of_one_request_share_their_bytes(local: Any, web: Any) -> None:
    web.page("/a", bytes(600_000))
    web.page("/b", bytes(600_000))
    files = [{"data": f"http://127.0.0.1:{web.port}/{name}", "name": name} for name in "ab"]
    reply = local.post("/sdapi/v1/extra-batch-images", {"imageList": files})
    assert refusal(reply)[0] == 413


def test_a_request_names_only_so_many(local: Any) -> None:
    files = [{"data": f"http://127.0.0.1:1/{number}", "name": ""} for number in range(65)]
    assert refusal(local.post("/sdapi/v1/extra-batch-images", {"imageList": files}))[0] == 413


def test_bad_answers(local: Any, web: Any) -> None:
    web.page("/gone", status=404)
    status, detail = refusal(png_info(local, f"http://127.0.0.1:{web.port}/gone"))
    assert (status, detail) == (500, "Invalid image url: its server answered 404")
    assert refusal(png_info(local, "http://127.0.0.1:1/"))[1].startswith("Invalid image url: its server can")


def test_a_slow_source_holds_up_nobody(local: Any, web: Any) -> None:
    def slow(request: Any) -> None:
        time.sleep(1.5)
        request.send_response(404)
        request.end_headers()

    for number in range(20):
        web.pages[f"/{number}"] = slow
    with ThreadPoolExecutor(20) as threads:
        waiting = [
            threads.submit(png_info, local, f"http://127.0.0.1:{web.port}/{number}") for number in range(20)
        ]
        while len(web.seen) < 20:
            time.sleep(0.01)
        start = time.monotonic()
        assert local.get("/sdapi/v1/progress").status_code == 200
        assert local.post("/sdapi/v1/png-info", {"image": "AAAA"}).status_code == 500
        assert time.monotonic() - start < 1.0
        assert not any(one.done() for one in waiting)
        assert {one.result().status_code for one in waiting} == {500}


def test_local_addresses_are_refused_by_default(server: Any, web: Any) -> None:
    web.page("/a.png", png())
    for host in ("127.0.0.1", "localhost", "[::1]", "2130706433", "[::ffff:127.0.0.1]", "169.254.169.254"):
        found = refusal(png_info(server, f"http://{host}:{web.port}/a.png"))
        assert found == (500, "Request to local resource not allowed"), host
    reply = server.post("/sdapi/v1/img2img", SMALL | {"init_images": [f"http://127.0.0.1:{web.port}/a.png"]})
    assert refusal(reply) == (500, "Request to local resource not allowed")
    assert web.seen == []


def test_the_options_are_the_owners_alone(server: Any, web: Any) -> None:
    web.page("/a.png", png())
    assert server.post("/sdapi/v1/options", {"api_forbid_local_requests": False}).status_code == 200
    body = SMALL | {
        "init_images": [f"http://127.0.0.1:{web.port}/a.png"],
        "override_settings": {"api_forbid_local_requests": False},
    }
    assert refusal(server.post("/sdapi/v1/img2img", body))[1] == "Request to local resource not allowed"


@pytest.mark.parametrize("url", ["http://user:word@a.example/", "http://a.example\\@127.0.0.1/", "http://"])
def test_urls_that_are_none(server: Any, url: str) -> None:
    status, detail = refusal(png_info(server, url))
    assert (status, detail.startswith("Invalid image url: ")) == (500, True)
    assert "word" not in detail.replace("password", "")


def test_switched_off(launch: Callable[..., Any], tmp_path: Path, web: Any) -> None:
    off = configured(launch, tmp_path, {"api_enable_requests": False, "api_forbid_local_requests": False})
    web.page("/a.png", png())
    url = f"http://127.0.0.1:{web.port}/a.png"
    assert refusal(png_info(off, url)) == (500, "Requests not allowed")
    assert refusal(off.post("/sdapi/v1/img2img", {"init_images": [url]}))[1] == "Requests not allowed"
    assert refusal(off.post("/sdapi/v1/extra-single-image", {"image": url}))[1] == "Requests not allowed"
    assert web.seen == []
