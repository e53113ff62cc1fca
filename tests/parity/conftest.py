"""A server on the golden checkpoints."""

from __future__ import annotations

import base64
import hashlib
import json
import lzma
import shutil
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

from tests.parity.table import PROPERTY, Row

HERE = Path(__file__).parent
DATA = HERE / "data"


@pytest.fixture
def new_row(record_property: Callable[[str, object], None]) -> Callable[..., Row]:
    """`new_row(...)`: a line of the table, which is filled in by the test."""

    def start(*fields: Any) -> Row:
        row = Row(*fields)
        record_property(PROPERTY, row)
        return row

    return start


@pytest.fixture(scope="session")
def data() -> Path:
    """The packed golden files."""
    return DATA


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with the golden models, styles and options; every large file is put together anew."""
    root = tmp_path_factory.mktemp("golden")
    shutil.copytree(DATA / "models", root / "models")
    shutil.move(root / "models" / "embeddings", root / "embeddings")
    for name in ("config.json", "styles.csv"):
        shutil.copyfile(DATA / name, root / name)
    layout = json.loads((DATA / "weights.json").read_text(encoding="utf-8"))
    content = lzma.decompress((DATA / "weights.xz").read_bytes())
    ends = list(accumulate(layout["parts"]))
    for name, file in layout["files"].items():
        whole = b"".join(content[ends[part] - layout["parts"][part] : ends[part]] for part in file["parts"])
        assert hashlib.sha256(whole).hexdigest() == file["sha256"], name
        target = root / "models" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(whole)
    return root


@pytest.fixture(scope="session")
def golden_server(models: Path, launch: Callable[..., Any]) -> Any:
    """One server for all golden requests."""
    checkpoint = models / "models" / "Stable-diffusion" / "tinysd.safetensors"
    return launch(models, "--no-half", "--precision", "full", "--use-cpu", "all", "--ckpt", str(checkpoint))


@pytest.fixture(scope="session")
def with_pictures(data: Path) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A golden request with its pictures in place of their names."""

    def encoded(name: str) -> str:
        return base64.b64encode((data / "inputs" / name).read_bytes()).decode()

    def filled(request: dict[str, Any]) -> dict[str, Any]:
        filled = dict(request)
        if "init_images" in filled:
            filled["init_images"] = [encoded(name) for name in filled["init_images"]]
        if "mask" in filled:
            filled["mask"] = encoded(filled["mask"])
        return filled

    return filled
