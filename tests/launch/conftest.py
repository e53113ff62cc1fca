"""A product in miniature: the real launch.py and launcher/, tiny packages, a server that reports."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
LIMIT_SECONDS = 300.0
SERVER = """
import json, os, sys
told = {"argv": sys.argv[1:], "python": sys.executable, "cwd": os.getcwd()}
told |= {"data": os.environ["SDAPI_DATA_DIR"], "extra": os.environ.get("COMMANDLINE_ARGS")}
print("SERVER " + json.dumps(told))
sys.exit(5)
"""
PYTEST = "import sys; print('PYTEST', sys.argv[1:]); sys.exit(3)"
# Variables that would change what pip or launch.py does.
FOREIGN = ("PIP_", "TORCH_", "SDAPI_", "XFORMERS_", "COMMANDLINE_ARGS", "PYTHONPATH", "VIRTUAL_ENV")


def outer_python() -> str:
    """A Python outside of virtual environments, so that launch.py makes one of its own."""
    return getattr(sys, "_base_executable", sys.executable)


def write_wheel(folder: Path, name: str, version: str, files: Mapping[str, str]) -> Path:
    """A wheel as pip wants it."""
    info = f"{name}-{version}.dist-info"
    contents = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    for path, text in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(text.encode())}\n")
    contents[f"{info}/RECORD"] = "".join([*rows, f"{info}/RECORD,,\n"])
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in contents.items():
            archive.writestr(path, text)
    return wheel


@dataclass
class Product:
    """A folder with launch.py in it. `wheels` is all that pip can install from."""

    root: Path
    wheels: Path

    @property
    def environ(self) -> dict[str, str]:
        """An environment without anything that the machine of the tests configures."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels), "PIP_CONFIG_FILE": os.devnull}
        return {**kept, **offline, "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1"}

    @property
    def python(self) -> Path:
        """The interpreter of `.venv`."""
        return self.root / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def launch(self, *arguments: str, **environ: str | None) -> subprocess.CompletedProcess[str]:
        """Run launch.py to its end, without input."""
        changed = {**self.environ, **environ}
        return subprocess.run(
            [outer_python(), str(self.root / "launch.py"), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={name: value for name, value in changed.items() if value is not None},
            cwd=self.root.parent,
            timeout=LIMIT_SECONDS,
            check=False,
        )

    def told(self, output: str) -> dict[str, object]:
        """What the server of the miniature reports."""
        line = next(line for line in output.splitlines() if line.startswith("SERVER "))
        return dict(json.loads(line.removeprefix("SERVER ")))

    def ask(self, code: str) -> str:
        """What `.venv`'s Python prints for an expression."""
        command = [str(self.python), "-c", f"from importlib.metadata import version; print({code})"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def make_product(folder: Path) -> Product:
    """The folder of a product whose packages are tiny."""
    root, wheels = folder / "the product", folder / "wheels"
    root.mkdir(parents=True)
    wheels.mkdir()
    shutil.copy(ROOT / "launch.py", root)
    shutil.copytree(ROOT / "launcher", root / "launcher", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "sdapi_compat").mkdir()
    shutil.copy(ROOT / "sdapi_compat" / "__init__.py", root / "sdapi_compat")
    (root / "sdapi_compat" / "__main__.py").write_text(SERVER)
    requirements = {"torch": "torch==1.0", "xformers": "xformers==1.0", "test": "pytest==1.0"}
    for name, line in requirements.items():
        (root / f"requirements-{name}.txt").write_text(line + "\n")
    (root / "requirements.txt").write_text("alpha==1.0  # with a reason\n")
    (root / "constraints.txt").write_text("# nothing\n")
    for name in ("torch", "alpha", "xformers"):
        write_wheel(wheels, name, "1.0", {f"{name}.py": ""})
    write_wheel(wheels, "alpha", "2.0", {"alpha.py": ""})
    write_wheel(wheels, "pytest", "1.0", {"pytest/__init__.py": "", "pytest/__main__.py": PYTEST})
    return Product(root, wheels)


@pytest.fixture
def bare(tmp_path: Path) -> Product:
    """A product that was never started."""
    return make_product(tmp_path)


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Product, subprocess.CompletedProcess[str]]:
    """A product after its first start, and what that printed. Not to be changed."""
    product = make_product(tmp_path_factory.mktemp("first"))
    return product, product.launch("--nowebui", "--port", "1234")


@pytest.fixture
def product(first: tuple[Product, object], tmp_path: Path) -> Product:
    """A copy of a product that was started once, to be changed at will."""
    original, copy = first[0].root, tmp_path / "copy" / first[0].root.name
    shutil.copytree(original.parent, copy.parent, ignore=shutil.ignore_patterns(".venv"))
    # Neither pip nor launch.py writes into files that are there, so links do for the thousand files of pip.
    shutil.copytree(original / ".venv", copy / ".venv", symlinks=True, copy_function=os.link)
    return Product(copy, copy.parent / "wheels")


@pytest.fixture
def wheel() -> Callable[..., Path]:
    """`wheel(folder, name, version, files)` writes a wheel."""
    return write_wheel


@pytest.fixture
def bare_python() -> str:
    """A Python outside of virtual environments."""
    return outer_python()


@pytest.fixture
def repository_root() -> Path:
    """The folder of the real launch.py."""
    return ROOT
