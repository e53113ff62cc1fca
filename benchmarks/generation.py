"""Seconds of a whole txt2img request, beside diffusers' own pipeline with the same weights and scheduler:
`python -m benchmarks.generation`, `... --models full --steps 2 --size 256` for a quick look at the large one.

Two processes with the same checkpoint, Euler, guidance and precision: this server, asked over HTTP for a PNG
in base64, and `bare_pipeline.py`, which stops at the picture. They take turns, each round with another prompt
and seed. "full" is a checkpoint of Stable Diffusion 1.5's size with random weights, in a temporary folder.

The bars: the best request takes at most 1.00 times the pipeline's best; and with the full size at 512 x 512
and 20 steps at most 3 % of a request pass outside the model (UNet, VAE, text encoder). "Outside" is what is
left of a request when the seconds that GET /metrics counts in model calls are taken away.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import checkpoints
from benchmarks.bare_pipeline import GUIDANCE, NEGATIVE
from benchmarks.server import ask, serving

BARE = Path(__file__).with_name("bare_pipeline.py")
MODELS = ("tiny", "full")
CALLS = re.compile(r'^sdapi_model_call_seconds_total\{kind="(\w+)"\} (\S+)$', re.MULTILINE)
IN_THE_MODEL = ("Predict", "Decode", "EncodeText")
PRECISIONS = {"float32": ("--no-half", "--no-half-vae"), "float16": ()}


class Took(NamedTuple):
    """Seconds of one request: the whole, in UNet forwards, and in the model altogether (of ours only)."""

    whole: float
    unet: float
    model: float = 0.0


Maker = Callable[[int], Took]
"""Makes the picture of a round."""


class Size(NamedTuple):
    """What a request asks for."""

    steps: int
    side: int


def main() -> int:
    """Measure and print a table per model."""
    asked = arguments()
    for name in asked.models:
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            size = Size(asked.steps, asked.size)
            ours = stack.enter_context(this_server(name, Path(folder), size, asked.dtype))
            bare = stack.enter_context(bare_pipeline(source(name, Path(folder)), size, asked.dtype))
            rounds = list(alternating(ours, bare, asked.rounds))
        print(
            f"{name}, {asked.size} x {asked.size}, {asked.steps} steps, {asked.dtype}, {asked.rounds} rounds"
        )
        for line in table([one for one, _ in rounds], [other for _, other in rounds], asked.steps):
            print(line)
    return 0


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--size", type=int, default=512, help="width and height in pixels")
    parser.add_argument(
        "--rounds", type=int, default=3, help="requests to each, after one that is not counted"
    )
    parser.add_argument("--dtype", choices=PRECISIONS, default="float32")
    asked = parser.parse_args()
    if min(asked.steps, asked.rounds) < 1 or asked.size < 64 or asked.size % 64:
        parser.error("--steps and --rounds must be at least 1, --size a multiple of 64")
    return asked


def source(name: str, folder: Path) -> Path:
    """Where the checkpoint of a model lies when `this_server` has made it."""
    return checkpoints.tiny() if name == "tiny" else folder / "models" / "Stable-diffusion" / name


def alternating(ours: Maker, bare: Maker, rounds: int) -> Iterator[tuple[Took, Took]]:
    """Both sides in turn, and who begins in turn; the first round only warms up."""
    for number in range(rounds + 1):
        first, second = (ours, bare) if number % 2 else (bare, ours)
        one, two = first(number), second(number)
        if number:
            yield (one, two) if first is ours else (two, one)


def table(ours: list[Took], bare: list[Took], steps: int) -> Iterator[str]:
    """Best and median of each side in seconds, the ratio of the best, and what passes outside the model."""
    yield f"{'seconds':30}{'best':>9}{'median':>9}"
    yield row("request to this server", [one.whole for one in ours])
    yield row("bare diffusers pipeline", [one.whole for one in bare])
    yield row("UNet per step, this server", [one.unet / steps for one in ours])
    yield row("UNet per step, bare", [one.unet / steps for one in bare])
    ratio = min(one.whole for one in ours) / min(one.whole for one in bare)
    yield f"{'this server / bare':30}{ratio:9.3f}"
    outside = min(one.whole - one.model for one in ours)
    share = min((one.whole - one.model) / one.whole for one in ours)
    yield f"{'outside the model':30}{outside:9.3f}{share:9.1%}"


def row(name: str, seconds: list[float]) -> str:
    """A line of the table."""
    return f"{name:30}{min(seconds):9.3f}{statistics.median(seconds):9.3f}"


@contextmanager
def this_server(name: str, folder: Path, size: Size, dtype: str) -> Iterator[Maker]:
    """A server process with the model, and a function that asks it."""
    if name == "full":
        checkpoints.full_size(source(name, folder))
    with serving(folder, "--no-hashing", *PRECISIONS[dtype]) as server:

        def make(number: int) -> Took:
            before = model_seconds(server.url)
            begun = time.perf_counter()
            reply = ask(server, "/sdapi/v1/txt2img", body(number, size))
            whole = time.perf_counter() - begun
            assert len(reply["images"]) == 1
            after = model_seconds(server.url)
            took = {kind: after.get(kind, 0.0) - before.get(kind, 0.0) for kind in IN_THE_MODEL}
            return Took(whole, took["Predict"], sum(took.values()))

        ask(server, "/sdapi/v1/sd-models")
        yield make


def body(number: int, size: Size) -> dict[str, Any]:
    """The request of a round. A new prompt each time: an encoded one would be remembered."""
    return {
        "prompt": prompt(number),
        "negative_prompt": NEGATIVE,
        "seed": number,
        "steps": size.steps,
        "width": size.side,
        "height": size.side,
        "sampler_name": "Euler",
        "cfg_scale": GUIDANCE,
    }


def prompt(number: int) -> str:
    """The prompt of a round."""
    return f"a red apple on a table, number {number}"


def model_seconds(url: str) -> dict[str, float]:
    """Seconds in model calls by kind since the server started."""
    with urllib.request.urlopen(f"{url}/metrics") as reply:
        return {kind: float(seconds) for kind, seconds in CALLS.findall(reply.read().decode())}


@contextmanager
def bare_pipeline(checkpoint: Path, size: Size, dtype: str) -> Iterator[Maker]:
    """A process with diffusers' pipeline, and a function that asks it."""
    command = [sys.executable, str(BARE), str(checkpoint), dtype]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def make(number: int) -> Took:
            assert process.stdin is not None
            assert process.stdout is not None
            wanted = {"prompt": prompt(number), "seed": number, "steps": size.steps, "size": size.side}
            print(json.dumps(wanted), file=process.stdin, flush=True)
            told = json.loads(process.stdout.readline())
            return Took(told["seconds"], told["unet_seconds"])

        yield make
        process.stdin.close()


if __name__ == "__main__":
    sys.exit(main())
