from __future__ import annotations

import ast
import os
import subprocess
import sys

import pytest

import launch


@pytest.mark.parametrize("version", [(3, 10), (3, 11), (3, 12), (3, 13)])
def test_supported_pythons(version):
    assert launch.python_problem(version, "cpython") is None


@pytest.mark.parametrize(
    ("version", "implementation", "words"),
    [
        ((3, 9), "cpython", "Python 3.9; the server needs 3.10"),
        ((3, 14), "cpython", "Python 3.14; the server needs"),
        ((2, 7), "cpython", "Python 2.7"),
        ((3, 11), "pypy", "needs CPython"),
    ],
)
def test_other_pythons(version, implementation, words):
    assert words in launch.python_problem(version, implementation)


@pytest.mark.skipif(os.name == "nt", reason="scripts for a POSIX shell")
def test_a_better_python_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert launch.better_python() is None
    statuses = {"python3.9": 0, "python3.11": 0, "python3.12": 0, "python3.13": 127, "python3.14": 0}
    for name, status in statuses.items():
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {status}\n")
        (tmp_path / name).chmod(0o755)
    assert launch.better_python() == "python3.12"


def test_too_old_a_python_is_told_what_to_do(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(launch, "OLDEST", (3, 98))
    monkeypatch.setattr(launch, "NEWEST", (3, 99))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert launch.main(["--nowebui"]) == 1
    assert "Next: install Python 3.12" in capsys.readouterr().err


@pytest.mark.parametrize("where", ["arguments", "environment"])
def test_the_check_can_be_skipped(monkeypatch, capsys, where):
    monkeypatch.setattr(launch, "OLDEST", (3, 98))
    flag = "--skip-python-version-check"
    monkeypatch.setenv("COMMANDLINE_ARGS", flag if where == "environment" else "")
    arguments = [flag] if where == "arguments" else []
    assert launch.main([*arguments, "--skip-prepare-environment", "--exit"]) == 0
    assert capsys.readouterr().out == "Exiting because of --exit argument\n"


def test_old_pythons_can_read_launch_py(repository_root):
    """Or they would print a syntax error instead of the sentence for them."""
    ast.parse((repository_root / "launch.py").read_text(), feature_version=(3, 7))


@pytest.mark.parametrize("module", ["launch", "launcher.main", "launcher.sysinfo"])
def test_the_standard_library_is_enough(repository_root, module):
    """-S: no installed package can be imported."""
    code = f"import sys; sys.path.insert(0, {str(repository_root)!r}); import {module}"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)


def test_importing_does_nothing(tmp_path, repository_root):
    code = f"import sys; sys.path.insert(0, {str(repository_root)!r}); import launch, launcher.main"
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert printed.stdout == printed.stderr == ""
    assert list(tmp_path.iterdir()) == []
