"""How long from starting the process to the first answers: `python -m benchmarks.startup --runs 5`.

Run it with the Python of the environment the server runs in. The bar is 2.5 s to the first list of models,
with files in the disk cache.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.server import ask, serving

PICTURE = {"prompt": "a red apple", "steps": 1, "width": 64, "height": 64, "seed": 1, "sampler_name": "Euler"}


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
        began = time.perf_counter()
        with serving(Path(folder)) as server:
            ask(server, "/sdapi/v1/sd-models")
            models = time.perf_counter() - began
            reply = ask(server, "/sdapi/v1/txt2img", PICTURE)
            picture = time.perf_counter() - began
    if len(reply["images"]) != 1:
        raise RuntimeError(f"no picture: {reply}")
    return Run(models, picture)


if __name__ == "__main__":
    sys.exit(main())
