"""Results on disk: one file per job, named by its row, there whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from sdapi_compat.jobs.record import Result

PER_FOLDER = 1000
BLOCK = 4096
NAME = re.compile(r"(\d+)\.result")


class ResultFiles:
    """The results below one folder. Methods raise OSError when the disk refuses."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, row: int, result: Result) -> int:
        """Write a result; gives the bytes it takes on disk."""
        path, data = self._path(row), result.pack()
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        try:
            temporary.write_bytes(data)
            os.replace(temporary, path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        return -(-len(data) // BLOCK) * BLOCK

    def read(self, row: int) -> Result | None:
        """A result; None where there is none, or none that can be read."""
        try:
            return Result.unpack(self._path(row).read_bytes())
        except (OSError, ValueError):
            return None

    def remove(self, row: int) -> None:
        """Delete a result, if there is one."""
        self._path(row).unlink(missing_ok=True)

    def sweep(self, wanted: Callable[[int], bool]) -> None:
        """Delete what no job refers to: remains of a process that was killed."""
        for path in self._folder.glob("*/*"):
            name = NAME.fullmatch(path.name)
            if name is None or not wanted(int(name[1])):
                path.unlink(missing_ok=True)

    def _path(self, row: int) -> Path:
        return self._folder / f"{row // PER_FOLDER:06}" / f"{row}.result"
