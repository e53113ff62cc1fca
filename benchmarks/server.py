"""A server process to measure, and how to ask it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_SECONDS = 300.0
POLL_SECONDS = 0.005


class Server(NamedTuple):
    """A running server."""

    url: str
    process: subprocess.Popen[bytes]


@contextmanager
def serving(folder: Path, *flags: str) -> Iterator[Server]:
    """A server process with a data folder and more flags, until the end. It logs to `folder`/server.log."""
    port = free_port()
    command = [sys.executable, "-m", "sdapi_compat", "--nowebui", "--port", str(port)]
    command += ["--data-dir", str(folder), *flags]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "COMMANDLINE_ARGS": ""}
    with (
        (folder / "server.log").open("wb") as log,
        subprocess.Popen(command, env=environ, stdout=log, stderr=log) as process,
    ):
        try:
            yield Server(f"http://127.0.0.1:{port}", process)
        finally:
            process.terminate()


def ready(server: Server) -> None:
    """Wait until the model is loaded. RuntimeError when that does not happen."""
    ask(server, "/sdapi/v1/sd-models")
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        try:
            ask(server, "/readyz")
        except RuntimeError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the model is not loaded")


def ask(server: Server, path: str, body: object = None) -> Any:
    """The JSON that a path answers, waiting until somebody listens there. RuntimeError without an answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, data)
    end = time.monotonic() + PATIENCE_SECONDS
    while server.process.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{path} answered {error.code}: {error.read().decode()}") from error
        except urllib.error.URLError as error:
            if not isinstance(error.reason, ConnectionRefusedError):
                raise
            time.sleep(POLL_SECONDS)
    raise RuntimeError(f"{path} was not answered")


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
