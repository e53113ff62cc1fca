"""Make the environment, then start the server: `python launch.py --nowebui`; or run the tests: `--test`.

Needs nothing but the standard library. Everything here and in launcher/ runs before packages are installed;
this file also has to be readable for Pythons that are too old, so that they can be told.
"""

from __future__ import annotations

import os
import sys

OLDEST = (3, 10)
NEWEST = (3, 13)


def python_problem(version: tuple[int, int], implementation: str) -> str | None:
    """Why this Python cannot run the server, in one sentence; None when it can."""
    found = f"{implementation} {version[0]}.{version[1]}"
    if implementation != "cpython":
        return f"This is {found}; PyTorch needs CPython, the ordinary Python."
    if not OLDEST <= version <= NEWEST:
        return f"This is Python {version[0]}.{version[1]}; the server needs 3.10, 3.11, 3.12 or 3.13."
    return None


def better_python() -> str | None:
    """A command on PATH that starts a Python that fits."""
    import subprocess

    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        name = f"python3.{minor}"
        try:
            # Version managers put commands on PATH that do nothing but complain.
            subprocess.run([name, "--version"], capture_output=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return name
    return None


def main(argv: list[str]) -> int:
    """Prepare and hand over. Returns an exit status where there is nothing to hand over to."""
    checked = "--skip-python-version-check" not in " ".join([*argv, os.environ.get("COMMANDLINE_ARGS", "")])
    problem = python_problem(sys.version_info[:2], sys.implementation.name)
    if problem and checked:
        other = better_python()
        advice = f"start with: {other} launch.py" if other else "install Python 3.12 and start with that one"
        print(f"{problem}\nNext: {advice}", file=sys.stderr)
        return 1
    from launcher.main import launch

    return launch(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
