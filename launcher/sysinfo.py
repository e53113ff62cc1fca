"""--dump-sysinfo: what a report of a broken installation needs."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from launcher.environment import beside, present
from launcher.request import Request, without_values
from launcher.updates import commit
from sdapi_compat import __version__

SHOWN_ENVIRONMENT = (
    "CUDA_VISIBLE_DEVICES",
    "IGNORE_CMD_ARGS_ERRORS",
    "OMP_NUM_THREADS",
    "SDAPI_DATA_DIR",
    "TORCH_COMMAND",
    "TORCH_INDEX_URL",
    "VIRTUAL_ENV",
    "XFORMERS_PACKAGE",
)
GIB = 2**30
GPU_SECONDS = 10.0


def facts(root: Path, request: Request, environ: Mapping[str, str]) -> dict[str, Any]:
    """What is known without the server. Flags without their values, which may be secret."""
    packages = site_packages(present(root).folder)
    return {
        "Platform": platform.platform(),
        "Python": sys.version,
        "Executable": sys.executable,
        "Version": __version__,
        "Commit": commit(root),
        "Folder": str(root),
        "Own environment": beside(root).folder.exists(),
        "Flags": without_values((*request.arguments, *request.extra)),
        "Environment": {name: environ[name] for name in SHOWN_ENVIRONMENT if name in environ},
        "CPU": {"model": platform.processor() or platform.machine(), "count logical": os.cpu_count()},
        "GPU": gpus(),
        "Disk free (GiB)": round(shutil.disk_usage(root).free / GIB, 1),
        "Packages": sorted(f"{one.name}=={one.version}" for one in metadata.distributions(path=packages)),
    }


def site_packages(folder: Path) -> list[str]:
    """Folders of packages in a virtual environment."""
    return [
        str(path)
        for pattern in ("lib/python*/site-packages", "Lib/site-packages")
        for path in folder.glob(pattern)
    ]


def gpus() -> list[str]:
    """NVIDIA's list of GPUs; empty without its driver."""
    try:
        listed = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=GPU_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return listed.stdout.splitlines()


def dump(root: Path, request: Request, environ: Mapping[str, str]) -> Path:
    """Write sysinfo-<UTC>.json into the current folder and return its path."""
    path = Path(datetime.now(timezone.utc).strftime("sysinfo-%Y-%m-%d-%H-%M.json"))
    text = json.dumps(facts(root, request, environ), indent=4, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")
    return path
