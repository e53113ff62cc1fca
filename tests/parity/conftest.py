"""A server on the golden checkpoints, and the table of differences at the end of a test run."""

from __future__ import annotations

import base64
import hashlib
import json
import lzma
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
DATA = HERE / "data"
PAGE_VARIABLE = "PARITY_PAGE"


@dataclass
class Row:
    """One golden request: how its pictures differ (worst of all, 0..255) and what became of it."""

    number: str
    name: str
    route: str
    pictures: int
    largest: int | None
    mean: float | None
    bar: int
    verdict: str = ""


ROWS = pytest.StashKey[dict[str, Row]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS] = {}


@pytest.fixture(scope="session")
def rows(pytestconfig: pytest.Config) -> dict[str, Row]:
    """What was measured so far, by number."""
    return pytestconfig.stash[ROWS]


@pytest.fixture(scope="session")
def data() -> Path:
    """The packed golden files."""
    return DATA


@pytest.fixture(scope="session")
def new_row() -> type[Row]:
    return Row


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


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()
    number = getattr(item, "callspec", None) and item.callspec.params.get("number")
    if number is None or report.when != "call":
        return
    row = item.config.stash[ROWS].get(number)
    if row is not None:
        row.verdict = "equal" if report.passed else "differs"


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    rows = [row for _, row in sorted(config.stash[ROWS].items())]
    if not rows:
        return
    terminalreporter.section("parity with the original")
    for row in rows:
        terminalreporter.write_line(f"{row.number} {row.name:<45} {figures(row)} {row.verdict}")
    terminalreporter.write_line(summary(rows))
    if os.environ.get(PAGE_VARIABLE):
        Path(os.environ[PAGE_VARIABLE]).write_text(page(rows), encoding="utf-8")


def figures(row: Row) -> str:
    return "-" if row.largest is None or row.mean is None else f"{row.largest:>3} {row.mean:.3f}"


def summary(rows: list[Row]) -> str:
    equal = sum(row.verdict == "equal" for row in rows)
    exact = sum(row.verdict == "equal" and row.largest == 0 for row in rows)
    return f"{equal} of {len(rows)} requests within the bar, {exact} of them the same in every pixel"


def page(rows: list[Row]) -> str:
    """docs/parity.md."""
    table = "\n".join(
        f"| {row.number} | {row.name} | {row.route} | {row.pictures} | {cell(row.largest)} "
        f"| {cell(row.mean)} | {row.bar} | {row.verdict} |"
        for row in rows
    )
    template = (HERE / "page.md").read_text(encoding="utf-8")
    return template.replace("SUMMARY", summary(rows)).replace("TABLE", table)


def cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
