from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from launcher.environment import Environment, active, beside, present, remove, succeeds, works
from launcher.failure import Failure


def test_the_active_environment():
    found = active()
    if sys.prefix == sys.base_prefix:
        assert found is None
    else:
        assert found == (Path(sys.prefix), Path(sys.executable), False)


def test_beside(tmp_path):
    environment = beside(tmp_path)
    assert environment.folder == tmp_path / ".venv"
    assert environment.own
    assert environment.log.parent == environment.folder
    assert not environment.folder.exists(), "looking makes nothing"


def test_a_python_that_works():
    assert works(Environment(Path(sys.prefix), Path(sys.executable), own=False))


def test_a_python_that_is_not_there(tmp_path):
    assert not works(beside(tmp_path))


@pytest.mark.skipif(os.name == "nt", reason="links of POSIX")
def test_a_python_whose_packages_are_elsewhere(tmp_path):
    """As after the system's python3 became a newer release: lib/python3.x is that of the old one."""
    environment = beside(tmp_path)
    environment.python.parent.mkdir(parents=True)
    environment.python.symlink_to(getattr(sys, "_base_executable", sys.executable))
    (environment.folder / "pyvenv.cfg").write_text(f"home = {Path(sys.base_prefix, 'bin')}\n")
    (environment.folder / "lib" / "python3.1" / "site-packages").mkdir(parents=True)
    assert not works(environment)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    (environment.folder / "lib" / version / "site-packages").mkdir(parents=True)
    assert works(environment)


def test_at_worst_this_python_itself(tmp_path):
    assert present(tmp_path).python == Path(sys.executable)


@pytest.mark.parametrize("content", ["file", "link", "foreign"])
def test_only_environments_are_removed(tmp_path, content):
    folder = tmp_path / ".venv"
    (tmp_path / "elsewhere").mkdir()
    if content == "file":
        folder.write_text("")
    elif content == "link":
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        folder.mkdir()
        (folder / "thesis.txt").write_text("")
    with pytest.raises(Failure, match="does not look like one"):
        remove(folder)
    assert folder.exists()


@pytest.mark.parametrize("files", [(), ("pyvenv.cfg", "more")])
def test_environments_are_removed(tmp_path, files):
    folder = tmp_path / ".venv"
    folder.mkdir()
    for name in files:
        (folder / name).write_text("")
    remove(folder)
    assert not folder.exists()


def test_succeeds():
    assert succeeds([sys.executable, "-c", "pass"])
    assert not succeeds([sys.executable, "-c", "raise SystemExit(1)"])
