"""The contact sheet of the documentation: ``python -m sdapi_compat.embedded.train.sheet``.

48 prompts, drawn by a server through its own HTTP API, with the prompt under each picture. The server is
started for it, with this package's checkpoint, unless ``--url`` names one that runs.
"""

from __future__ import annotations

import argparse
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
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parents[3]
TARGET = ROOT / "docs" / "images" / "embedded.jpg"
PROMPTS = (
    "cat", "a dog on a blue background", "the sun", "crescent moon", "a star on a purple background",
    "red heart", "a beautiful sunset over the mountains", "snowy mountain", "a tree on a yellow background",
    "a flower, masterpiece", "a red rose on a black background", "apple", "a banana on a pink background",
    "orange fruit", "a slice of pizza", "birthday cake on a green background", "a car on a white background",
    "a house", "a rocket on a black background", "a fish on a blue background", "a bird",
    "a photo of a butterfly", "smiling face", "a ghost on an orange background",
    "a robot on a gray background", "an old castle", "rainbow", "fire on a black background",
    "a cloud on a blue background", "a snowman", "a cheeseburger", "a cup of coffee on a brown background",
    "a small cat on a red background", "a big star", "a heart on the left", "the moon at the top",
    "kitty", "puppy", "a mountain on a pink background", "a huge apple on a white background",
    "a tiny house on a green background", "a butterfly on a yellow background", "a cute robot",
    "a rocket, best quality, 8k", "a fish on the right", "a car on a black background",
    "a rainbow on a purple background", "a smiley on a red background",
)  # fmt: skip
COLUMNS = 8
#: Side of a picture on the sheet, height of its caption, and the gap between pictures, in pixels.
SIDE, CAPTION, GAP = 144, 28, 6
#: What every request asks for besides its prompt.
REQUEST = {"seed": 1, "steps": 20, "width": 512, "height": 512, "cfg_scale": 7.0, "sampler_name": "Euler"}
QUALITY = 88
LARGEST_BYTES = 600_000
PATIENCE_SECONDS = 600.0

Ask = Callable[[str, object], Any]


def ask(url: str, body: object = None) -> Any:
    """The JSON that ``url`` answers to a GET, or to a POST of ``body``."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as reply:
        return json.load(reply)


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """The URL of a server of this checkout without any other models, which ends with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "COMMANDLINE_ARGS": ""}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "sdapi_compat", "--nowebui", "--port", str(port)]
        command += ["--data-dir", folder]
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


def draw(url: str, prompt: str, request: dict[str, Any]) -> Image.Image:
    """The picture that a server draws for ``prompt``."""
    reply = ask(f"{url}/sdapi/v1/txt2img", request | {"prompt": prompt})
    return Image.open(io.BytesIO(base64.b64decode(reply["images"][0]))).convert("RGB")


def lines_of(text: str, width: int, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> list[str]:
    """``text`` broken into lines of at most ``width`` pixels; a longer word stays whole."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def compose(pictures: Sequence[Image.Image], captions: Sequence[str]) -> Image.Image:
    """All pictures in rows of :data:`COLUMNS`, each with its caption below it."""
    rows = -(-len(pictures) // COLUMNS)
    cell = SIDE + CAPTION + GAP
    sheet = Image.new("RGB", (COLUMNS * (SIDE + GAP) + GAP, rows * cell + GAP), "white")
    drawing = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=10)
    for index, (picture, text) in enumerate(zip(pictures, captions, strict=True)):
        left = GAP + index % COLUMNS * (SIDE + GAP)
        top = GAP + index // COLUMNS * cell
        sheet.paste(picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS), (left, top))
        written = "\n".join(lines_of(text, SIDE, font)[:2])
        drawing.multiline_text((left, top + SIDE + 2), written, fill="black", font=font, spacing=1)
    return sheet


def save(sheet: Image.Image, target: Path) -> None:
    """Write the sheet as a JPEG of at most :data:`LARGEST_BYTES`, with as much quality as fits."""
    for quality in range(QUALITY, 20, -6):
        data = io.BytesIO()
        sheet.save(data, "JPEG", quality=quality, optimize=True)
        if data.tell() <= LARGEST_BYTES:
            break
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data.getvalue())


def main() -> None:
    """Make the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a server that runs; default: one is started")
    parser.add_argument("--out", type=Path, default=TARGET, help="the JPEG to write")
    options = parser.parse_args()
    with contextlib.nullcontext(options.url) if options.url else serving() as url:
        pictures = [draw(url, prompt, REQUEST) for prompt in PROMPTS]
    save(compose(pictures, PROMPTS), options.out)


if __name__ == "__main__":
    main()
