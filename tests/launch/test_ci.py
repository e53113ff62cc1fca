""".ci/run in the miniature: every check is run, and one that fails makes it fail."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
CHECKS = ("ruff", "mypy", "lint-imports")

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a script for bash")


@pytest.fixture
def ci(product, bare_python, wheel, tmp_path):
    """Runs .ci/run; `status(name)` is how a check ends."""
    (product.root / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", product.root / ".ci")
    commands = tmp_path / "commands"
    commands.mkdir()
    program(commands / "python3", f'exec "{bare_python}" "$@"')
    program(commands / "chromium", "exit 0")

    def run(tests: int = 0, **statuses: int) -> subprocess.CompletedProcess[str]:
        files = {"pytest/__init__.py": "", "pytest/__main__.py": f"raise SystemExit({tests})"}
        wheel(product.wheels, "pytest", "1.0", files)
        for name in CHECKS:
            status = statuses.get(name.replace("-", "_"), 0)
            program(product.python.parent / name, f'echo "ran {name} $*"; exit {status}')
        return subprocess.run(
            [product.root / ".ci" / "run"],
            env={**product.environ, "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}", "CI": "true"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_everything_is_run_and_passes(ci):
    done = ci()
    assert done.returncode == 0, done.stdout + done.stderr
    for line in ("ran ruff check", "ran ruff format --check", "ran mypy", "ran lint-imports"):
        assert line in done.stdout
    assert done.stdout.endswith("== All checks passed\n")


def test_one_failure_is_enough_and_the_others_are_run_all_the_same(ci):
    done = ci(tests=1, mypy=1)
    assert done.returncode == 1
    assert "ran lint-imports" in done.stdout
    assert done.stdout.endswith("== Failed: tests,mypy\n")
