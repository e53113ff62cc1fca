"""The virtual environment the server runs in: the active one, or `.venv` beside launch.py."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from launcher.failure import Failure, explain
from launcher.program import run, say

FOLDER = ".venv"
# A venv whose Python was replaced by another release still starts, but its packages are nowhere to be seen.
PROBE = "import os, sysconfig; raise SystemExit(0 if os.path.isdir(sysconfig.get_path('purelib')) else 1)"
PROBE_SECONDS = 30.0
INSTALL_LOG = "install.log"


class Environment(NamedTuple):
    """`folder` is the virtual environment, `python` its interpreter, `own` whether launch.py made it."""

    folder: Path
    python: Path
    own: bool

    @property
    def log(self) -> Path:
        """Where the output of installations goes."""
        return self.folder / INSTALL_LOG


def active() -> Environment | None:
    """The virtual environment this very Python runs in."""
    if sys.prefix == sys.base_prefix:
        return None
    return Environment(Path(sys.prefix), Path(sys.executable), own=False)


def beside(root: Path) -> Environment:
    """`.venv` in `root`, whether it exists or not."""
    folder = root / FOLDER
    parts = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    return Environment(folder, folder.joinpath(*parts), own=True)


def present(root: Path) -> Environment:
    """The environment as it is, for starts that may install nothing: at worst this Python itself."""
    own = beside(root)
    bare = Environment(Path(sys.prefix), Path(sys.executable), own=False)
    return active() or (own if works(own) else bare)


def works(environment: Environment) -> bool:
    """Whether the environment's Python starts and finds its packages."""
    try:
        probe = subprocess.run(
            [environment.python, "-I", "-c", PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return probe.returncode == 0


def prepared(root: Path, environ: Mapping[str, str]) -> Environment:
    """The active environment, or a working `.venv`, which is made or made again where necessary. Failure."""
    own = beside(root)
    found = active()
    if found or works(own):
        return found or own
    if own.folder.exists():
        say(f"The Python of {own.folder} is gone or broken: the folder is made again.")
        remove(own.folder)
    create(own, environ)
    return own


def with_pip(environment: Environment, environ: Mapping[str, str]) -> None:
    """See that the environment has pip: some tools leave it out, and an interruption may have. Failure."""
    if has_pip(environment):
        return
    say(f"Adding pip to {environment.folder} ...")
    ensurepip = [str(environment.python), "-m", "ensurepip", "--default-pip"]
    if environment.own:
        if not succeeds(ensurepip) or not has_pip(environment):
            say(f"{environment.folder} was left half made: it is made again.")
            remove(environment.folder)
            create(environment, environ)
    else:
        step = f"adding pip to the active virtual environment {environment.folder}"
        run(step, ensurepip, environment.log, environ)


def has_pip(environment: Environment) -> bool:
    """Whether the environment has a pip that starts."""
    return succeeds([str(environment.python), "-I", "-c", "import pip._internal.cli.main"])


def succeeds(command: Sequence[str]) -> bool:
    """Whether a program, whose words do not matter, ends well."""
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


def create(environment: Environment, environ: Mapping[str, str]) -> None:
    """Make `.venv`. Failure when this Python lacks what that needs, or the disk refuses."""
    step = f"making the virtual environment {environment.folder}"
    lacking = next((name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None), None)
    if lacking:
        package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        raise Failure(
            step,
            f"this Python comes without its module {lacking}",
            f"on Debian and Ubuntu: `sudo apt install {package}`; elsewhere take Python from python.org",
        )
    say(f"Making the virtual environment {environment.folder} ...")
    command = [sys.executable, "-m", "venv", str(environment.folder)]
    made = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=dict(environ), check=False
    )
    if made.returncode:
        # What there is of it has no pip, and would be taken for an environment by the next start.
        shutil.rmtree(environment.folder, ignore_errors=True)
        raise explain(step, f"{made.stdout}{made.stderr}".splitlines())


def remove(folder: Path) -> None:
    """Delete a virtual environment, and nothing that is not one."""
    step = f"removing the broken virtual environment {folder}"
    mistaken = folder.is_symlink() or not folder.is_dir()
    if mistaken or (any(folder.iterdir()) and not (folder / "pyvenv.cfg").is_file()):
        raise Failure(step, "it does not look like one", f"move {folder} away and start again")
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise explain(step, [str(error)]) from error
