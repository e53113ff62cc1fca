"""How long from starting the process to the first answers: `python benchmarks/startup.py --runs 5`.

Run it with the Python of the environment the server runs in. The bar is 2.5 s to the first list of models,
with files in the disk cache.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PICTURE = {"prompt": "a red apple", "steps": 1, "width": 64, "height": 64, "seed": 1, "sampler_name": "Euler"}
PATIENCE_SECONDS = 300.0
POLL_SECONDS = 0.005


class Run(NamedTuple):
    """Seconds from the start of the process."""

    models: float
    picture: float


def main() -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--runs", type=int, default=3, help="starts to measure, after one that is not counted"
    )
    runs = parser.parse_args().runs
    if runs < 1:
        parser.error("--runs must be at least 1")
    measured = [measure() for _ in range(runs + 1)][1:]
    for line in table(measured):
        print(line)
    return 0


def table(runs: list[Run]) -> Iterator[str]:
    """A line for each question, best, median and worst in seconds."""
    yield f"{'from process start to':34}{'best':>8}{'median':>8}{'worst':>8}   ({len(runs)} runs, seconds)"
    answers = {"first GET /sdapi/v1/sd-models": [run.models for run in runs]}
    answers["first txt2img picture (1 step)"] = [run.picture for run in runs]
    for name, seconds in answers.items():
        yield f"{name:34}{min(seconds):8.2f}{statistics.median(seconds):8.2f}{max(seconds):8.2f}"


def measure() -> Run:
    """Start a server, ask it, stop it."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        url = f"http://127.0.0.1:{port}/sdapi/v1"
        began = time.perf_counter()
        with server(port, Path(folder)) as alive:
            ask(f"{url}/sd-models", None, alive)
            models = time.perf_counter() - began
            reply = ask(f"{url}/txt2img", PICTURE, alive)
            picture = time.perf_counter() - began
    if len(reply["images"]) != 1:
        raise RuntimeError(f"no picture: {reply}")
    return Run(models, picture)


@contextmanager
def server(port: int, folder: Path, *flags: str) -> Iterator[Callable[[], bool]]:
    """A server process with a data folder and more flags; yields whether it is alive."""
    command = [
        sys.executable,
        "-m",
        "sdapi_compat",
        "--nowebui",
        "--port",
        str(port),
        "--data-dir",
        str(folder),
        *flags,
    ]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "COMMANDLINE_ARGS": ""}
    with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL) as process:
        try:
            yield lambda: process.poll() is None
        finally:
            process.terminate()


def ask(url: str, body: object, alive: Callable[[], bool]) -> Any:
    """The JSON that a URL answers, waiting until somebody listens there. RuntimeError without an answer."""
    data = None if body is None else json.dumps(body).encode()
    end = time.monotonic() + PATIENCE_SECONDS
    while alive() and time.monotonic() < end:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data), timeout=PATIENCE_SECONDS) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{url} answered {error.code}: {error.read().decode()}") from error
        except urllib.error.URLError as error:
            if not isinstance(error.reason, ConnectionRefusedError):
                raise
            time.sleep(POLL_SECONDS)
    raise RuntimeError(f"{url} did not answer")


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
