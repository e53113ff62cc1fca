"""Hostile and broken requests: a clear refusal, never a traceback, never a dead server."""

from __future__ import annotations

import base64
import io
import json
import socket
import struct
import time
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image

TINY = {"prompt": "x", "steps": 1, "width": 64, "height": 64, "seed": 1, "sampler_name": "Euler"}
PNG_INFO = "/sdapi/v1/png-info"
LIMIT = 1024 * 1024


@pytest.fixture(autouse=True)
def lives_on(stocked: Any) -> Iterator[None]:
    """After every test the server answers, and no reply or log shows where the code lies."""
    before = len(stocked.log.read_text())
    yield
    assert stocked.get("/healthz").status_code == 200
    assert "Traceback" not in stocked.log.read_text()[before:]


def refusal(reply: Any) -> tuple[int, str]:
    """Status and detail of an error in the API's shape."""
    body = reply.json()
    assert set(body) == {"error", "detail", "body", "errors"}
    assert "Traceback" not in reply.text
    assert ".py" not in reply.text
    return reply.status_code, body["detail"]


def test_a_declared_body_over_the_limit_is_413(stocked: Any) -> None:
    reply = stocked.http.post(PNG_INFO, content=b"x" * (LIMIT + 1))
    assert refusal(reply) == (413, f"The request body is larger than {LIMIT} bytes")


def test_a_chunked_body_over_the_limit_is_413(stocked: Any) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(20):
            yield b"x" * 100_000

    reply = stocked.http.post(PNG_INFO, content=chunks(), headers={"Content-Type": "application/json"})
    assert refusal(reply)[0] == 413


def test_a_body_of_just_the_limit_is_read(stocked: Any) -> None:
    body = json.dumps({"image": ""})
    reply = stocked.http.post(PNG_INFO, content=body + " " * (LIMIT - len(body)))
    assert refusal(reply) == (500, "Invalid encoded image")


def png(width: int, height: int, data: bytes) -> str:
    """A PNG that claims this size and holds these compressed rows, 1 bit per pixel."""

    def chunk(name: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    picture = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return base64.b64encode(picture).decode()


BOMB = png(50_000, 50_000, zlib.compress(bytes(6251 * 200)))
LARGE = png(501, 500, zlib.compress(bytes(64 * 500)))


@pytest.mark.parametrize("image", [BOMB, LARGE], ids=["bomb", "just over"])
@pytest.mark.parametrize(
    ("path", "field"),
    [(PNG_INFO, "image"), ("/sdapi/v1/extra-single-image", "image"), ("/sdapi/v1/img2img", "init_images")],
)
def test_pictures_over_the_limit_are_413_at_once(stocked: Any, image: str, path: str, field: str) -> None:
    value = [image] if field == "init_images" else image
    start = time.monotonic()
    status, detail = refusal(stocked.post(path, {field: value}))
    assert (status, detail.split(":")[0]) == (413, "Image too large")
    assert time.monotonic() - start < 10


def truncated() -> str:
    data = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(data, "PNG")
    return base64.b64encode(data.getvalue()[:-600]).decode()


@pytest.mark.parametrize(
    "image",
    [
        "",
        "not base64 at all",
        "aGVsbG8=",
        "aGVsbG8",
        "data:image/png;base64,",
        "data:image/svg+xml;base64,PHN2Zy8+",
        truncated(),
        png(64, 64, b"no zlib"),
        png(0, 64, zlib.compress(b"")),
        "\u0000\ud7ff",
    ],
)
def test_unreadable_pictures_are_told(stocked: Any, image: str) -> None:
    assert refusal(stocked.post(PNG_INFO, {"image": image})) == (500, "Invalid encoded image")
    reply = stocked.post("/sdapi/v1/img2img", TINY | {"init_images": [image]})
    assert refusal(reply) == (500, "Invalid encoded image")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("width", 513),
        ("height", 10**9),
        ("width", -64),
        ("steps", 0),
        ("batch_size", -1),
        ("n_iter", 0),
        ("seed", "not a number"),
        ("width", "1e400"),
        ("cfg_scale", [7]),
    ],
)
def test_numbers_nothing_can_be_made_of_are_422(stocked: Any, field: str, value: Any) -> None:
    reply = stocked.post("/sdapi/v1/txt2img", TINY | {field: value})
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"] == ["body", field]


@pytest.mark.parametrize("field", ["n_iter", "batch_size", "steps"])
def test_endless_work_is_refused_before_it_fills_the_memory(stocked: Any, field: str) -> None:
    reply = stocked.post("/sdapi/v1/txt2img", TINY | {field: 10**12})
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"] == ["body", field]


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"prompt":' * 50_000, b"{" * 1000, b"\xff\xfe\x00", b'{"prompt": "\\ud800"}', b"NaN"],
    ids=["lists", "objects", "open", "bytes", "half a pair", "NaN"],
)
def test_odd_json_is_refused(stocked: Any, body: bytes) -> None:
    reply = stocked.http.post("/sdapi/v1/txt2img", content=body)
    assert reply.status_code in (400, 422)
    assert "Traceback" not in reply.text


@pytest.mark.parametrize("prompt", ["(" * 20_000, "[a|b" * 5_000, "a:1)" * 5_000, "\u0000\u200b é 漢字 😀"])
def test_odd_prompts_end(stocked: Any, prompt: str) -> None:
    assert stocked.txt2img(steps=1, prompt=prompt, timeout=60)["images"]


def raw(server: Any, data: bytes, seconds: float = 20.0) -> bytes:
    """Send bytes, and read until the server closes or falls silent."""
    address = urlsplit(server.url)
    received = b""
    with socket.create_connection((address.hostname, address.port), timeout=seconds) as channel:
        try:
            channel.sendall(data)
            while piece := channel.recv(65536):
                received += piece
        except TimeoutError:
            return received + b"<silence>"
        except ConnectionError:
            return received
    return received


@pytest.mark.parametrize(
    "head",
    [
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 10_000_000,
    ],
)
def test_no_http_is_400(stocked: Any, head: bytes) -> None:
    reply = raw(stocked, head)
    assert not reply.endswith(b"<silence>")
    assert reply.split(b"\r\n")[0].split()[1:2] in ([b"400"], [b"431"], [b"405"], [])


def test_half_a_request_head_is_not_waited_for_long(stocked: Any) -> None:
    """`stocked` keeps idle connections for 5 s; trickling bytes do not make it longer."""
    address = urlsplit(stocked.url)
    start = time.monotonic()
    with socket.create_connection((address.hostname, address.port), timeout=30) as channel:
        channel.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        while time.monotonic() - start < 25:
            try:
                channel.sendall(b"X: y\r\n")
                channel.settimeout(0.5)
                if channel.recv(100) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
    assert 3 < time.monotonic() - start < 20


def test_a_client_that_goes_in_the_middle_of_its_body_is_no_error(stocked: Any) -> None:
    address = urlsplit(stocked.url)
    with socket.create_connection((address.hostname, address.port), timeout=5) as channel:
        channel.sendall(b'POST /sdapi/v1/txt2img HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"prompt')
        time.sleep(0.2)
    time.sleep(0.2)
    assert " 499 " in stocked.log.read_text()


def test_a_client_that_goes_while_its_job_runs_does_no_harm(stocked: Any, until: Any) -> None:
    body = json.dumps(TINY | {"steps": 6, "force_task_id": "task(left)"}).encode()
    address = urlsplit(stocked.url)
    with socket.create_connection((address.hostname, address.port), timeout=5) as channel:
        head = f"POST /sdapi/v1/txt2img HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        channel.sendall(head.encode() + body)
        until(lambda: stocked.get("/sdapi/v1/progress").json().get("current_task") == "task(left)")
    assert len(stocked.txt2img()["images"]) == 1
    # The two share their steps, and the shorter one may end first.
    until(lambda: stocked.post("/internal/progress", {"id_task": "task(left)"}).json()["completed"])
