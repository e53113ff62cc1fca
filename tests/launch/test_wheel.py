"""`pip install .`: what is in the wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def contents(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel of a copy of the repository, built offline with the installed setuptools."""
    root = Path(__file__).resolve().parent.parent.parent
    folder = tmp_path_factory.mktemp("wheel")
    others = ("tests", "models", "outputs", "build", "*.egg-info", ".*")
    shutil.copytree(root, folder / "source", ignore=shutil.ignore_patterns(*others))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-build-isolation", "--no-deps"]
    subprocess.run(
        [*command, "--no-index", "--wheel-dir", str(folder), str(folder / "source")],
        check=True,
        env={**os.environ, "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_the_console_command(contents):
    name = next(name for name in contents.namelist() if name.endswith("entry_points.txt"))
    assert "sdapi-compat = sdapi_compat.__main__:main" in contents.read(name).decode()


@pytest.mark.parametrize(
    "file",
    [
        "sdapi_compat/py.typed",
        "sdapi_compat/backend/vocabulary/bpe_simple_vocab_16e6.txt.gz",
        "sdapi_compat/embedded/emoji-sd/model_index.json",
        "sdapi_compat/embedded/emoji-sd/unet/diffusion_pytorch_model.safetensors",
        "sdapi_compat/_bundled/scripts/prompt_matrix.py",
    ],
)
def test_files(contents, file):
    assert file in contents.namelist()


def test_nothing_of_the_workshop(contents):
    tops = {name.split("/")[0] for name in contents.namelist()}
    assert {name for name in tops if not name.endswith(".dist-info")} == {"sdapi_compat"}
    assert not [name for name in contents.namelist() if name.endswith(".pyc")]


def test_metadata(contents):
    name = next(name for name in contents.namelist() if name.endswith("METADATA"))
    text = contents.read(name).decode()
    assert "Requires-Dist: torch==2.13.0\n" in text
    assert 'Requires-Dist: numpy==2.2.6; python_version < "3.11"\n' in text
    assert "Provides-Extra: test\n" in text
    assert "License-Expression: Apache-2.0\n" in text
    assert any(name.endswith("licenses/LICENSE") for name in contents.namelist())
