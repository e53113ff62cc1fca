"""Built-in scripts and extensions use what is offered to everybody's."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
# imaging: functions from pictures to pictures, which know nothing of the server.
OFFERED = (
    "sdapi_compat.scripting",
    "sdapi_compat.errors",
    "sdapi_compat.imaging",
    "sdapi_compat.sampling.table",
)
FILES = sorted(path for name in ("scripts", "extensions") for path in (ROOT / name).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Modules of the product that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name for name in names if name.split(".")[0] == "sdapi_compat"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_only_the_public_protocol_is_used(path):
    rooms = tuple(f"{name}." for name in OFFERED)
    assert [name for name in imported(path) if name not in OFFERED and not name.startswith(rooms)] == []


def test_there_are_some():
    assert FILES
