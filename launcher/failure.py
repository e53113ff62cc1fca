"""A step that failed, told so that a newcomer knows what to do next."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Failure(Exception):
    """`step`: what was being done. `why`: one sentence. `advice`: the next thing to try."""

    def __init__(self, step: str, why: str, advice: str) -> None:
        super().__init__(f"{step}: {why}")
        self.step = step
        self.why = why
        self.advice = advice

    def __str__(self) -> str:
        return f"Could not finish: {self.step}.\nWhy:  {self.why}\nNext: {self.advice}"


class Explanation(NamedTuple):
    """What a pattern in a program's output means."""

    pattern: str
    why: str
    advice: str


# The first one that fits is told, so causes stand before their consequences.
EXPLANATIONS = (
    Explanation(
        r"No space left on device|not enough space on the disk",
        "the disk is full",
        "free some space (PyTorch with CUDA needs about 8 GB, without it 1 GB) and start again",
    ),
    Explanation(
        r"CERTIFICATE_VERIFY_FAILED|SSLError",
        "the package index shows a certificate that this computer does not trust",
        "check the clock; in a company network set PIP_CERT to the file of its certificates; start again",
    ),
    Explanation(
        r"Temporary failure in name resolution|Failed to establish a new connection|getaddrinfo failed"
        r"|Name or service not known|ConnectTimeout|NewConnectionError|Connection refused|ProxyError"
        r"|Read timed out|ReadTimeoutError",
        "the package index does not answer",
        "check the network; behind a proxy set HTTPS_PROXY, for another index PIP_INDEX_URL; start again",
    ),
    Explanation(
        r"DO NOT MATCH THE HASHES|Connection broken|IncompleteRead|BadZipFile",
        "a download arrived damaged",
        "start again; if it stays so, once with PIP_NO_CACHE_DIR=1 in the environment",
    ),
    Explanation(
        r"Permission denied|Access is denied|Read-only file system|WinError 5\b",
        "a file or folder may not be written",
        "stop other programs that use .venv, and see that the folder belongs to you; start again",
    ),
    Explanation(
        r"No matching distribution found for torch\b",
        "there is no PyTorch for this Python on this system",
        "use a 64-bit CPython 3.10 to 3.13; if TORCH_INDEX_URL is set, check that it has this release",
    ),
    Explanation(
        r"No matching distribution found for (\S+)",
        "the package index lacks a package",
        "check PIP_INDEX_URL and pip's configuration if you set any; start again",
    ),
    Explanation(
        r"No module named '?(venv|ensurepip)\b",
        "this Python comes without the module that makes virtual environments, or without pip",
        "on Debian and Ubuntu: `sudo apt install python3-venv`; elsewhere take Python from python.org",
    ),
    Explanation(
        r"ResolutionImpossible|conflicting dependencies",
        "packages in the active virtual environment do not go together",
        "run `deactivate`, so that launch.py makes an environment of its own, and start again",
    ),
    Explanation(
        r"Failed building wheel|error: command .* failed|Microsoft Visual C\+\+",
        "a package has no ready-made file for this Python and system and could not be built",
        "use a 64-bit CPython 3.11 or 3.12, delete the folder .venv and start again",
    ),
)
LAST_LINES = 3


def explain(step: str, output: Sequence[str], log: Path | None = None) -> Failure:
    """The failure of a program that printed these lines; `log` is where all of them are, if anywhere."""
    text = "\n".join(output)
    for explanation in EXPLANATIONS:
        found = re.search(explanation.pattern, text, re.IGNORECASE)
        if found:
            line = text[text.rfind("\n", 0, found.start()) + 1 :].split("\n", 1)[0].strip()
            advice = explanation.advice + (f".\n      All that was printed is in {log}" if log else "")
            return Failure(step, f"{explanation.why} ({shortened(line)})", advice)
    told = [line.strip() for line in output if line.strip()]
    errors = [line for line in told if "error" in line.lower()] or told
    why = " / ".join(shortened(line) for line in errors[-LAST_LINES:]) or "the program ended without a word"
    advice = f"read {log}, then start again" if log else "start again"
    return Failure(step, why, f"{advice}: what is installed already is kept")


def shortened(line: str, length: int = 240) -> str:
    """A line without its middle when it is too long."""
    half = length // 2
    return line if len(line) <= length else f"{line[:half]} ... {line[-half:]}"
