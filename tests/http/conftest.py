"""What the tests of the whole server share: a server with files of every kind, helpers for jobs that run."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from sdapi_compat.embedded import CHECKPOINT_DIR

DATA = Path(__file__).parent / "data"

RAISING_SCRIPT = """
from sdapi_compat.scripting import Script

class Raising(Script):
    title = "Raising"

    def run(self, draft, arguments):
        yield draft
        raise ArithmeticError("the script is broken")

SCRIPT = Raising()
"""

EXTENSION = """
from __future__ import annotations

from typing import Annotated

import msgspec
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute

from sdapi_compat.scripting import Extension, argument


class Arguments(msgspec.Struct):
    suffix: Annotated[str, argument("Added to the prompt")] = ""
    seed: Annotated[int, argument("Seed of every image", minimum=-1, maximum=100, step=1)] = -1
    grey: Annotated[bool, argument("Flatten")] = False


class Everything(Extension):
    title = "Everything"
    Arguments = Arguments

    def routes(self):
        async def hello(request):
            return JSONResponse({"hello": "extension"})

        async def fail(request):
            raise LookupError("secret detail of the failure")

        async def chat(websocket):
            await websocket.accept()
            await websocket.send_text("hello")
            await websocket.close()

        return [Route("/everything/hello", hello), Route("/everything/fail", fail),
                WebSocketRoute("/everything/chat", chat)]

    def on_draft(self, draft, arguments):
        if not arguments.suffix:
            return draft
        return draft.change(prompt=f"{draft.prompt} {arguments.suffix}")

    def on_plan(self, plan, arguments):
        if arguments.seed < 0:
            return plan
        return msgspec.structs.replace(plan, seeds=tuple(arguments.seed for _ in plan.seeds))

    def on_denoised(self, plan, arguments):
        if not arguments.grey:
            return None
        return lambda denoised, sigma: denoised * 0


EXTENSION = Everything()
"""


def build_checkpoint(folder: Path) -> None:
    """A second checkpoint: the shipped one with other weights in its last layer."""
    shutil.copytree(CHECKPOINT_DIR, folder)
    (weights,) = (folder / "unet").glob("*.safetensors")
    tensors = load_file(weights)
    tensors["conv_out.bias"] = tensors["conv_out.bias"] + np.asarray(1, tensors["conv_out.bias"].dtype)
    save_file(tensors, weights, {"format": "pt"})


def stock(data_dir: Path) -> None:
    """One file of every kind, scripts and an extension."""
    build_checkpoint(data_dir / "models/Stable-diffusion/other-sd")
    (data_dir / "models/Stable-diffusion/broken.safetensors").write_bytes(b"this is no checkpoint" * 100)
    for folder in ("models/VAE", "models/Lora", "models/hypernetworks", "embeddings", "scripts"):
        (data_dir / folder).mkdir(parents=True)
    (data_dir / "models/VAE/tiny.vae.safetensors").write_bytes(b"")
    (data_dir / "models/hypernetworks/net.pt").write_bytes(b"")
    lora = {"lora_unet_x.lora_up.weight": np.zeros((4, 4), np.float32)}
    notes = {"ss_output_name": "soft", "ss_tag_frequency": json.dumps({"img": {"soft": 3}})}
    save_file(lora, data_dir / "models/Lora/soft-light.safetensors", notes)
    width = json.loads((CHECKPOINT_DIR / "text_encoder/config.json").read_text())["hidden_size"]
    for name, columns in (("fits", width), ("foreign", width + 1)):
        vectors = {"emb_params": np.zeros((2, columns), np.float32)}
        save_file(vectors, data_dir / f"embeddings/{name}.safetensors")
    (data_dir / "styles.csv").write_text('name,prompt,negative_prompt\nlit,"{prompt}, lit",dark\n')
    (data_dir / "scripts/raising.py").write_text(RAISING_SCRIPT)
    (data_dir / "scripts/unloadable.py").write_text("raise RuntimeError('at import')\n")
    write_extension(data_dir)


def write_extension(data_dir: Path) -> None:
    """An extension that does all that extensions can."""
    (data_dir / "extensions/everything").mkdir(parents=True)
    (data_dir / "extensions/everything/extension.py").write_text(EXTENSION)


@pytest.fixture(scope="session")
def stocked(tmp_path_factory: pytest.TempPathFactory, launch: Callable[..., Any]) -> Any:
    """A server with files of every kind, small limits, an access log and one allowed origin."""
    data_dir = tmp_path_factory.mktemp("stocked")
    stock(data_dir)
    flags = ["--max-body-mb", "1", "--max-pixels", "250000", "--max-image-size", "512", "--api-log"]
    flags += ["--ckpt", str(CHECKPOINT_DIR), "--loglevel", "INFO"]
    flags += ["--cors-allow-origins", "http://page.example", "--timeout-keep-alive", "5"]
    flags += ["--max-queue", "2", "--log-format", "json"]
    return launch(data_dir, *flags)


@pytest.fixture(scope="session")
def make_checkpoint() -> Callable[[Path], None]:
    """`make_checkpoint(folder)`: a checkpoint that differs from the shipped one."""
    return build_checkpoint


@pytest.fixture(scope="session")
def add_extension() -> Callable[[Path], None]:
    """`add_extension(data_dir)`: put the extension "Everything" there."""
    return write_extension


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads for requests that run beside the test."""
    with ThreadPoolExecutor(64) as executor:
        yield executor


@pytest.fixture(scope="session")
def until() -> Callable[..., Any]:
    """`until(function)`: calls it until it gives something true, and gives that. Fails after a while."""

    def wait(function: Callable[[], Any], seconds: float = 60.0, pause: float = 0.02) -> Any:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = function()
            if found:
                return found
            time.sleep(pause)
        pytest.fail(f"nothing after {seconds} s")

    return wait


@pytest.fixture(scope="session")
def photo() -> Image.Image:
    """A 64 x 64 picture with a gradient."""
    ramp = np.arange(64, dtype=np.uint8)[None, :].repeat(64, 0) * 4
    return Image.fromarray(np.stack([ramp, ramp.T, ramp // 2], axis=-1))
