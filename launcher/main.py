"""The order of things: look, prepare the environment, hand over."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from launcher.environment import Environment, prepared, present, with_pip
from launcher.failure import Failure, explain
from launcher.packages import SERVER, TESTS, TORCH, XFORMERS, Installer, PackageSet, announce, has_nvidia
from launcher.program import say
from launcher.request import Request, read
from launcher.updates import commit, update_extensions, update_words
from sdapi_compat import __version__

ROOT = Path(__file__).resolve().parent.parent
INTERRUPTED = 130
# A file at a time in each of two processes: servers that a file has started are shared by its tests.
WHOLE_SUITE = ("-n", "2", "--dist=loadfile")
HELP = """\
python launch.py --nowebui         prepare the environment and start the server
python launch.py --test [...]      prepare it and run the tests; what follows goes to pytest
python launch.py --exit            prepare it and do not start

--skip-install                     install nothing
--skip-prepare-environment         change and check nothing
--reinstall-torch                  install PyTorch again; TORCH_INDEX_URL or TORCH_COMMAND chooses the build
--dump-sysinfo                     write a file for a report of a broken installation

The flags of the server are in docs/command-line.md, and printed here once its packages are installed.
"""


class Handover(NamedTuple):
    """A program that takes this one's place."""

    command: list[str]
    environ: dict[str, str]
    folder: Path


def launch(argv: Sequence[str]) -> int:
    """Everything launch.py does. Returns an exit status where there is nothing to hand over to."""
    began = time.perf_counter()
    try:
        request = read(argv, os.environ)
        if request.asks_for_help() and not is_ready(ROOT, request, os.environ):
            say(HELP)
            return 0
        if request.has("--dump-sysinfo"):
            from launcher.sysinfo import dump  # slow to import, and every start would wait for it

            say(str(dump(ROOT, request, os.environ)))
            return 0
        environment = prepare(ROOT, request, os.environ)
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    except OSError as error:
        print(explain("preparing the environment", [str(error)]), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. What is installed already is kept; start again to go on.", file=sys.stderr)
        return INTERRUPTED
    if request.has("--log-startup"):
        say(f"launch.py: {time.perf_counter() - began:.2f} s")
    if request.has("--exit"):
        say("Exiting because of --exit argument")
        return 0
    return hand_over(successor(ROOT, request, environment, os.environ))


def prepare(root: Path, request: Request, environ: Mapping[str, str]) -> Environment:
    """The environment to run in, ready to run in as far as the flags allow. Failure."""
    if request.has("--skip-prepare-environment"):
        return present(root)
    if request.has("--update-check"):
        say(update_words(root))
    if request.has("--update-all-extensions"):
        data = request.value("--data-dir") or environ.get("SDAPI_DATA_DIR") or root
        for words in update_extensions(Path(request.value("--extensions-dir") or Path(data, "extensions"))):
            say(words)
    if request.has("--skip-install"):
        return present(root)
    installer = Installer(root, prepared(root, environ), environ)
    for one in reinstalled(request):
        installer.forget(one)
    missing = installer.missing(wanted(request))
    if missing:
        install(installer, missing, request)
    return installer.environment


def is_ready(root: Path, request: Request, environ: Mapping[str, str]) -> bool:
    """Whether the server could be started without installing anything."""
    return not Installer(root, present(root), environ).missing(wanted(request))


def wanted(request: Request) -> tuple[PackageSet, ...]:
    """The packages that have to be there, in the order to install them."""
    sets = [TORCH, SERVER]
    if request.has("--xformers") or request.has("--reinstall-xformers"):
        if has_nvidia():
            sets.append(XFORMERS)
        else:
            say("xformers needs an NVIDIA GPU, and there is none: it is not installed.")
    if request.tests is not None:
        sets.append(TESTS)
    return tuple(sets)


def reinstalled(request: Request) -> tuple[PackageSet, ...]:
    """Packages that are removed first, so that another build of the same release can take their place."""
    flags = {"--reinstall-torch": TORCH, "--reinstall-xformers": XFORMERS}
    return tuple(one for flag, one in flags.items() if request.has(flag))


def install(installer: Installer, missing: tuple[PackageSet, ...], request: Request) -> None:
    """Install what is missing, saying what happens. Failure."""
    began = time.monotonic()
    release = commit(installer.root) or "no git clone"
    say(f"sdapi-compat {__version__} ({release}), Python {sys.version.split()[0]}")
    say(f"Packages go to {installer.environment.folder}; that happens once.")
    installer.environment.log.unlink(missing_ok=True)
    with_pip(installer.environment, installer.environ)
    for number, one in enumerate(missing, 1):
        announce(number, len(missing), one, installer.environ)
        if one in reinstalled(request):
            installer.uninstall(one)
        installer.install(one)
    if TORCH in missing and has_nvidia() and not on_cpu(request):
        try:
            installer.test_cuda()
        except Failure:
            installer.forget(TORCH)
            raise
    say(f"Everything is installed ({time.monotonic() - began:.0f} s).")


def on_cpu(request: Request) -> bool:
    """Whether the GPU need not work."""
    return request.has("--skip-torch-cuda-test") or request.value("--use-cpu") in ("all", "sd")


def successor(root: Path, request: Request, environment: Environment, environ: Mapping[str, str]) -> Handover:
    """What to run now: the tests or the server."""
    python = str(environment.python)
    if request.tests is not None:
        return Handover([python, "-m", "pytest", *(request.tests or WHOLE_SUITE)], dict(environ), root)
    path = os.pathsep.join(filter(None, (str(root), environ.get("PYTHONPATH"))))
    settings = {**environ, "PYTHONPATH": path, "SDAPI_DATA_DIR": environ.get("SDAPI_DATA_DIR") or str(root)}
    # Python 3.11 and later then look for modules in the product only, whatever lies in the current folder.
    settings["PYTHONSAFEPATH"] = "1"
    if request.has("--test-server"):
        settings.pop("COMMANDLINE_ARGS", None)
    return Handover([python, "-m", "sdapi_compat", *request.arguments], settings, Path.cwd())


def hand_over(next_one: Handover) -> int:
    """Become that program; where the system cannot do that, run it and return its exit status."""
    sys.stdout.flush()
    os.chdir(next_one.folder)
    if os.name != "nt":
        os.execve(next_one.command[0], next_one.command, next_one.environ)
    with subprocess.Popen(next_one.command, env=next_one.environ) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                # Ctrl+C reached the program too, and how it ends is its business.
                continue
