"""Install the pinned packages where they are missing or were pinned anew since."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from launcher.environment import Environment
from launcher.failure import Failure
from launcher.program import run, say

STAMP = "sdapi-compat.json"
CONSTRAINTS = "constraints.txt"
# The wheels on PyPI carry CUDA on Linux, but not on Windows; PyTorch's own index has both.
WINDOWS_CUDA_INDEX = "https://download.pytorch.org/whl/cu130"
CUDA_TEST = "import torch; raise SystemExit(not torch.cuda.is_available())"


class PackageSet(NamedTuple):
    """What one requirement file asks for. `name` is its key in the stamp, `words` tells people what it is."""

    name: str
    file: str
    words: str


TORCH = PackageSet("torch", "requirements-torch.txt", "PyTorch (large: this may take several minutes)")
SERVER = PackageSet("server", "requirements.txt", "the packages of the server")
XFORMERS = PackageSet("xformers", "requirements-xformers.txt", "xformers")
TESTS = PackageSet("tests", "requirements-test.txt", "the packages of the tests")


class Installer:
    """Installs package sets into one environment and remembers in it what is there.

    `root` holds the requirement files. `environ`: TORCH_COMMAND, TORCH_INDEX_URL and XFORMERS_PACKAGE are
    A1111's; everything else is pip's business.
    """

    def __init__(self, root: Path, environment: Environment, environ: Mapping[str, str]) -> None:
        self.root = root
        self.environment = environment
        # PIP_USER cannot work in a virtual environment, and what PYTHONPATH offers is not installed in it.
        self.environ = {**environ, "PIP_USER": "0"}
        self.environ.pop("PYTHONPATH", None)
        self._stamp = environment.folder / STAMP

    def missing(self, sets: tuple[PackageSet, ...]) -> tuple[PackageSet, ...]:
        """Those that are not installed as they are pinned now."""
        installed = self._installed()
        return tuple(one for one in sets if installed.get(one.name) != self.fingerprint(one))

    def fingerprint(self, one: PackageSet) -> str:
        """SHA-256 of what decides which versions are installed."""
        digest = hashlib.sha256()
        for name in (one.file, CONSTRAINTS):
            digest.update((self.root / name).read_bytes())
        return digest.hexdigest()

    def install(self, one: PackageSet) -> None:
        """Install one set. Its stamp is written last, so that the next start repairs what was interrupted."""
        self.forget(one)
        step = f"installing {one.words}"
        run(step, self.command(one), self.environment.log, self.environ)
        self._write({**self._installed(), one.name: self.fingerprint(one)})

    def forget(self, one: PackageSet) -> None:
        """Have a set installed again."""
        self._write({name: value for name, value in self._installed().items() if name != one.name})

    def uninstall(self, one: PackageSet) -> None:
        """Remove the package that a set is named after."""
        command = [str(self.environment.python), "-m", "pip", "uninstall", "--yes", one.name]
        run(f"removing {one.name}", command, self.environment.log, self.environ)

    def command(self, one: PackageSet) -> list[str]:
        """The command that installs a set."""
        custom = self.environ.get("TORCH_COMMAND", "")
        if one is TORCH and custom.strip():
            return [str(self.environment.python), "-m", *split(custom, "TORCH_COMMAND")]
        what = ["-r", str(self.root / one.file)]
        if one is XFORMERS and self.environ.get("XFORMERS_PACKAGE"):
            what = [self.environ["XFORMERS_PACKAGE"]]
        index = torch_index(self.environ, sys.platform, has_nvidia()) if one is TORCH else None
        more = ["--extra-index-url", index] if index else []
        if one is XFORMERS:
            more = ["--no-deps"]  # it would replace the PyTorch that was chosen
        quiet = ["--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
        constraints = ["-c", str(self.root / CONSTRAINTS)]
        return [str(self.environment.python), "-m", "pip", "install", *quiet, *what, *constraints, *more]

    def test_cuda(self) -> None:
        """Failure when the installed PyTorch cannot use the NVIDIA GPU that is there."""
        step = "testing whether PyTorch can use the GPU"
        try:
            run(step, [str(self.environment.python), "-c", CUDA_TEST], self.environment.log, self.environ)
        except Failure as failure:
            raise Failure(
                step,
                "it cannot: the NVIDIA driver is too old for it, or this is a build without CUDA",
                "update the driver, or choose a build with TORCH_INDEX_URL and --reinstall-torch; "
                "--skip-torch-cuda-test goes on with the CPU",
            ) from failure

    def _installed(self) -> dict[str, str]:
        try:
            stamp = json.loads(self._stamp.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return stamp if isinstance(stamp, dict) else {}

    def _write(self, stamp: dict[str, str]) -> None:
        part = self._stamp.with_suffix(".part")
        part.write_text(json.dumps(stamp, indent=1) + "\n", encoding="utf-8")
        os.replace(part, self._stamp)


def has_nvidia() -> bool:
    """Whether an NVIDIA driver is installed here."""
    places = ("/proc/driver/nvidia/version", "/usr/lib/wsl/lib/nvidia-smi")
    return shutil.which("nvidia-smi") is not None or any(Path(place).exists() for place in places)


def torch_index(environ: Mapping[str, str], platform: str, nvidia: bool) -> str | None:
    """Where to look for PyTorch besides the usual index: TORCH_INDEX_URL, or what fits the machine."""
    chosen = environ.get("TORCH_INDEX_URL", "").strip()
    return chosen or (WINDOWS_CUDA_INDEX if platform == "win32" and nvidia else None)


def split(text: str, name: str) -> list[str]:
    """An environment variable as arguments, as a shell would split it. Failure when it cannot be split."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise Failure(
            f"reading {name}", f"{error}: {name}={text}", f"correct the quotes in {name}"
        ) from error


def torch_words(environ: Mapping[str, str]) -> Iterator[str]:
    """What a newcomer should know before PyTorch is downloaded."""
    if environ.get("TORCH_COMMAND", "").strip():
        yield f"PyTorch comes by TORCH_COMMAND: {environ['TORCH_COMMAND']}"
    elif environ.get("TORCH_INDEX_URL", "").strip():
        yield f"PyTorch comes from TORCH_INDEX_URL: {environ['TORCH_INDEX_URL']}"
    elif has_nvidia():
        yield "An NVIDIA GPU is present: PyTorch is installed with CUDA."
    elif sys.platform == "linux":
        yield "No NVIDIA GPU was found: the server will compute on the CPU. The ordinary PyTorch for Linux"
        yield "carries CUDA all the same. For the much smaller one, stop with Ctrl+C and start again with"
        yield "TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu in the environment."


def announce(number: int, count: int, one: PackageSet, environ: Mapping[str, str]) -> None:
    """The headline of a step."""
    say(f"[{number}/{count}] Installing {one.words} ...")
    if one is TORCH:
        for words in torch_words(environ):
            say(f"    {words}")
