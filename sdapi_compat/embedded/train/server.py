"""A server of this checkout to draw with, through its own HTTP API."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_SECONDS = 600.0


def ask(url: str, body: object = None) -> Any:
    """The JSON that ``url`` answers to a GET, or to a POST of ``body``."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as reply:
        return json.load(reply)


@contextlib.contextmanager
def serving(*flags: str) -> Iterator[str]:
    """The URL of a server without any models but this package's, which ends with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "COMMANDLINE_ARGS": ""}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "sdapi_compat", "--nowebui", "--port", str(port)]
        command += ["--data-dir", folder, *flags]
        with (
            (Path(folder) / "server.log").open("wb") as log,
            subprocess.Popen(command, env=environ, stdout=log, stderr=log) as process,
        ):
            try:
                _wait(f"http://127.0.0.1:{port}", process)
                yield f"http://127.0.0.1:{port}"
            finally:
                process.terminate()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    """Until the model is loaded. RuntimeError when the server ends before, or takes too long."""
    end = time.monotonic() + PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < end:
        with contextlib.suppress(urllib.error.URLError):
            ask(f"{url}/readyz")
            return
        time.sleep(0.2)
    raise RuntimeError("the server did not start")


def data_url(picture: Image.Image) -> str:
    """The picture as base64 of a PNG, as requests carry it."""
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def draw(url: str, request: dict[str, Any], route: str = "txt2img") -> Image.Image:
    """The first picture (RGB) of the reply to ``request``."""
    reply = ask(f"{url}/sdapi/v1/{route}", request)
    return Image.open(io.BytesIO(base64.b64decode(reply["images"][0]))).convert("RGB")
