"""pyproject.toml says nearly everything; this puts scripts/ and extensions/ into wheels."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

BUNDLED = ("scripts", "extensions")


class BuildWithBundled(build_py):
    """sdapi_compat/bundled.py looks for these folders there. Editable installs use the checkout's."""

    def run(self) -> None:
        """Build as usual, then add the folders."""
        super().run()
        if self.editable_mode:
            return
        for name in BUNDLED:
            target = Path(self.build_lib, "sdapi_compat", "_bundled", name)
            shutil.rmtree(target, ignore_errors=True)
            if Path(name).is_dir():
                shutil.copytree(name, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))


setup(cmdclass={"build_py": BuildWithBundled})
