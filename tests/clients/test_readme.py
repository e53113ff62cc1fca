"""The curl commands of README.md work as they stand, but for the address."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

README = Path(__file__).resolve().parents[2] / "README.md"
ADDRESS = "http://127.0.0.1:7860"
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
# What a block writes: after -o, --output, ">" or "open(..., 'wb')".
WRITTEN = re.compile(r"""(?:-o|--output|>)\s*["']?([\w./-]+\.(?:png|jpe?g|webp))\b""")


def curl_blocks() -> list[str]:
    """The shell blocks that talk to the server, in order."""
    text = README.read_text(encoding="utf-8") if README.exists() else ""
    return [block for block in BLOCK.findall(text) if "curl" in block and ADDRESS in block]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all blocks: later ones may use the pictures of earlier ones."""
    return tmp_path_factory.mktemp("readme")


def test_the_readme_shows_how_to_ask_for_a_picture() -> None:
    assert README.exists()
    assert any("/sdapi/v1/txt2img" in block for block in curl_blocks())


@pytest.mark.parametrize("block", curl_blocks() or [""])
def test_a_block_of_the_readme(server: Any, folder: Path, block: str) -> None:
    assert block, "README.md has no shell block with curl"
    commands = block.replace(ADDRESS, server.url)
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", commands], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    for name in WRITTEN.findall(block):
        with Image.open(folder / name) as picture:
            picture.load()
            assert picture.width >= 64
