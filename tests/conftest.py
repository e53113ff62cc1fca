"""Real servers on real ports: started once per session for the usual flags, or by a test with its own."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.parity.table import Table

# The suite runs in two processes: more threads would wait for each other. To be set before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 300.0
STOP_SECONDS = 20.0
REQUEST_SECONDS = 120.0


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Table())


@dataclass
class Server:
    """A running server process and a client for it."""

    url: str
    data_dir: Path
    log: Path
    process: subprocess.Popen[bytes]
    http: httpx.Client

    def get(self, path: str, **options: Any) -> httpx.Response:
        """GET a path."""
        return self.http.get(path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> httpx.Response:
        """POST a JSON value, or what the options say."""
        return self.http.post(path, json=json, **options)

    def txt2img(self, **fields: Any) -> dict[str, Any]:
        """A small, quick picture: the reply's JSON."""
        reply = self.post("/sdapi/v1/txt2img", SMALL | fields)
        assert reply.status_code == 200, reply.text
        return dict(reply.json())

    def img2img(self, image: Image.Image, **fields: Any) -> dict[str, Any]:
        """A small img2img of `image`: the reply's JSON."""
        reply = self.post("/sdapi/v1/img2img", SMALL | {"init_images": [encode(image)]} | fields)
        assert reply.status_code == 200, reply.text
        return dict(reply.json())


SMALL = {"prompt": "a red apple", "steps": 2, "width": 64, "height": 64, "seed": 1, "sampler_name": "Euler"}


def encode(image: Image.Image) -> str:
    """A picture as base64 of a PNG."""
    data = io.BytesIO()
    image.save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode()


def decode(text: str) -> Image.Image:
    """A base64 picture, loaded."""
    image = Image.open(io.BytesIO(base64.b64decode(text)))
    image.load()
    return image


@pytest.fixture(scope="session")
def pictures() -> Any:
    """`pictures.encode(image)` and `pictures.decode(text)`."""

    class Pictures:
        encode = staticmethod(encode)
        decode = staticmethod(decode)

    return Pictures


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path, auth: tuple[str, str] | None) -> None:
    """Until the URL answers 200; a dead process or the time limit fails with the server's log."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        assert process.poll() is None, f"the server ended: {log.read_text()}"
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url, auth=auth, verify=False).status_code == 200:
                return
        time.sleep(0.05)
    pytest.fail(f"{url} did not answer in {START_SECONDS} s: {log.read_text()}")


@contextlib.contextmanager
def running(
    data_dir: Path, *flags: str, ready: bool = True, auth: tuple[str, str] | None = None
) -> Iterator[Server]:
    """A server process with these flags, stopped with SIGTERM at the end."""
    port = free_port()
    scheme = "https" if "--tls-certfile" in flags else "http"
    url = f"{scheme}://127.0.0.1:{port}"
    log = data_dir / "server.log"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    environment.pop("COMMANDLINE_ARGS", None)
    command = [sys.executable, "-m", "sdapi_compat", "--nowebui", "--port", str(port)]
    command += ["--data-dir", str(data_dir), *flags]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=data_dir)
    try:
        wait_for(f"{url}/{'readyz' if ready else 'healthz'}", process, log, auth)
        with httpx.Client(base_url=url, timeout=REQUEST_SECONDS, auth=auth, verify=False) as client:
            yield Server(url, data_dir, log, process, client)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server most tests share. Tests that change options put them back."""
    with running(tmp_path_factory.mktemp("server")) as started:
        yield started


@pytest.fixture(scope="session")
def launch() -> Iterator[Callable[..., Server]]:
    """`launch(data_dir, *flags)`: a server that runs to the end of the session."""
    with contextlib.ExitStack() as stack:

        def start(data_dir: Path, *flags: str, **options: Any) -> Server:
            return stack.enter_context(running(data_dir, *flags, **options))

        yield start


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start a server with flags of one's own: `start_server("--api-auth", "me:secret")`."""
    with contextlib.ExitStack() as stack:

        def start(*flags: str, **options: Any) -> Server:
            return stack.enter_context(running(tmp_path, *flags, **options))

        yield start
