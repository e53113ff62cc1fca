from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from launcher import packages
from launcher.environment import Environment
from launcher.failure import Failure
from launcher.packages import (
    SERVER,
    TESTS,
    TORCH,
    XFORMERS,
    Installer,
    has_nvidia,
    split,
    torch_index,
    torch_words,
)


@pytest.fixture
def root(tmp_path):
    for one in (TORCH, SERVER, TESTS, XFORMERS):
        (tmp_path / one.file).write_text(f"{one.name}==1\n")
    (tmp_path / packages.CONSTRAINTS).write_text("")
    return tmp_path


@pytest.fixture
def installer(root):
    """An installer that installs nothing: TORCH_COMMAND names a module that only imports."""
    return make_installer(root, TORCH_COMMAND="this")


def make_installer(root: Path, **environ: str) -> Installer:
    return Installer(root, Environment(root, Path(sys.executable), own=False), {**os.environ, **environ})


def test_at_first_everything_is_missing(installer):
    assert installer.missing((TORCH, SERVER)) == (TORCH, SERVER)


def test_what_was_installed_is_not_missing(installer):
    installer.install(TORCH)
    assert installer.missing((TORCH, SERVER)) == (SERVER,)


@pytest.mark.parametrize("file", [TORCH.file, packages.CONSTRAINTS])
def test_new_pins_make_it_missing(installer, root, file):
    installer.install(TORCH)
    (root / file).write_text("alpha==2\n")
    assert installer.missing((TORCH,)) == (TORCH,)


def test_other_pins_do_not_matter(installer, root):
    installer.install(TORCH)
    (root / SERVER.file).write_text("alpha==2\n")
    assert installer.missing((TORCH,)) == ()


def test_a_failed_installation_is_missing(root):
    make_installer(root, TORCH_COMMAND="this").install(TORCH)
    failing = make_installer(root, TORCH_COMMAND="no_such_module_anywhere")
    with pytest.raises(Failure):
        failing.install(TORCH)
    assert failing.missing((TORCH,)) == (TORCH,)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "\0"])
def test_a_spoilt_stamp_is_no_stamp(installer, root, content):
    installer.install(TORCH)
    (root / packages.STAMP).write_text(content)
    assert installer.missing((TORCH,)) == (TORCH,)
    installer.install(TORCH)
    assert installer.missing((TORCH,)) == ()


def test_forgetting_one_keeps_the_others(installer, root):
    installer.install(TORCH)
    (root / packages.STAMP).write_text(
        json.dumps({TORCH.name: installer.fingerprint(TORCH), SERVER.name: installer.fingerprint(SERVER)})
    )
    installer.forget(TORCH)
    assert installer.missing((TORCH, SERVER)) == (TORCH,)


def test_command(root):
    command = make_installer(root).command(SERVER)
    assert command[:4] == [sys.executable, "-m", "pip", "install"]
    assert command[command.index("-r") + 1] == str(root / "requirements.txt")
    assert command[command.index("-c") + 1] == str(root / "constraints.txt")
    assert "--no-input" in command
    assert "--extra-index-url" not in command


def test_torch_index_is_for_torch_only(root):
    installer = make_installer(root, TORCH_INDEX_URL="https://example.org/whl")
    assert installer.command(TORCH)[-2:] == ["--extra-index-url", "https://example.org/whl"]
    assert "https://example.org/whl" not in installer.command(SERVER)


@pytest.mark.parametrize(
    ("platform", "nvidia", "index"),
    [
        ("win32", True, packages.WINDOWS_CUDA_INDEX),
        ("win32", False, None),
        ("linux", True, None),
        ("linux", False, None),
        ("darwin", False, None),
    ],
)
def test_windows_with_nvidia_needs_pytorchs_own_index(platform, nvidia, index):
    assert torch_index({"TORCH_INDEX_URL": " "}, platform, nvidia) == index
    assert torch_index({"TORCH_INDEX_URL": "https://mine"}, platform, nvidia) == "https://mine"


def pretend_nvidia(monkeypatch, folder: Path) -> None:
    """Put a program of that name on PATH."""
    for name in ("nvidia-smi", "nvidia-smi.exe"):
        (folder / name).write_text("#!/bin/sh\nexit 0\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def test_nvidia(monkeypatch, tmp_path):
    pretend_nvidia(monkeypatch, tmp_path)
    assert has_nvidia()


def test_torch_command_replaces_everything(root):
    installer = make_installer(root, TORCH_COMMAND="pip install 'torch==2.0' --index-url https://example.org")
    expected = ["-m", "pip", "install", "torch==2.0", "--index-url", "https://example.org"]
    assert installer.command(TORCH) == [sys.executable, *expected]
    assert "example.org" not in " ".join(installer.command(SERVER))


def test_xformers_leaves_torch_alone(root):
    assert "--no-deps" in make_installer(root).command(XFORMERS)
    chosen = make_installer(root, XFORMERS_PACKAGE="xformers==0.0.1").command(XFORMERS)
    assert "xformers==0.0.1" in chosen
    assert "-r" not in chosen


def test_pip_is_not_misled_by_the_environment(root):
    installer = make_installer(root, PIP_USER="1", PYTHONPATH="/somewhere")
    assert installer.environ["PIP_USER"] == "0"
    assert "PYTHONPATH" not in installer.environ


def test_cuda_that_does_not_work(root, tmp_path):
    """A module `torch` without a GPU stands for a driver that is too old."""
    (tmp_path / "torch.py").write_text("class cuda:\n    is_available = staticmethod(lambda: False)\n")
    installer = make_installer(root)
    installer.environ["PYTHONPATH"] = str(tmp_path)
    with pytest.raises(Failure) as caught:
        installer.test_cuda()
    assert "--skip-torch-cuda-test" in caught.value.advice
    (tmp_path / "torch.py").write_text("class cuda:\n    is_available = staticmethod(lambda: True)\n")
    installer.test_cuda()


def test_split():
    assert split("a 'b c'", "X") == ["a", "b c"]
    with pytest.raises(Failure, match="X"):
        split("a 'b", "X")


def test_what_is_said_about_torch(monkeypatch, tmp_path):
    assert "TORCH_COMMAND: pip install" in next(torch_words({"TORCH_COMMAND": "pip install torch"}))
    assert "TORCH_INDEX_URL: https" in next(torch_words({"TORCH_INDEX_URL": "https://example.org"}))
    pretend_nvidia(monkeypatch, tmp_path)
    assert "with CUDA" in next(torch_words({}))


@pytest.mark.skipif(sys.platform != "linux" or has_nvidia(), reason="for Linux without NVIDIA")
def test_the_small_wheel_is_named():
    assert "TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu" in " ".join(torch_words({}))
