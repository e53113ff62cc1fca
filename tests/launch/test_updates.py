from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from launcher.updates import commit, git, update_extensions, update_words


@pytest.fixture(autouse=True)
def _name(monkeypatch):
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "A. Tester")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "tester@example.org")


@pytest.fixture
def origin(tmp_path):
    folder = tmp_path / "origin"
    folder.mkdir()
    run(folder, "init", "--quiet")
    change(folder)
    return folder


def run(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


def change(folder: Path) -> None:
    run(folder, "commit", "--quiet", "--allow-empty", "--no-gpg-sign", "-m", "a change")


def clone(origin: Path, folder: Path) -> Path:
    run(origin.parent, "clone", "--quiet", str(origin), str(folder))
    return folder


def test_commit(origin):
    assert len(commit(origin) or "") == 40


def test_a_folder_inside_somebody_elses_clone_has_no_commit(origin):
    (origin / "product").mkdir()
    assert commit(origin / "product") is None


def test_git_that_fails(tmp_path):
    assert git(tmp_path / "nothing", "status") is None


def test_no_git(tmp_path, monkeypatch, origin):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git(origin, "status") is None


def test_up_to_date(origin, tmp_path):
    assert "newest version" in update_words(clone(origin, tmp_path / "clone"))


def test_own_changes_are_not_old(origin, tmp_path):
    here = clone(origin, tmp_path / "clone")
    change(here)
    assert "newest version" in update_words(here)


def test_something_newer(origin, tmp_path):
    here = clone(origin, tmp_path / "clone")
    change(origin)
    assert "`git pull` gets it" in update_words(here)


def test_an_origin_that_is_gone(origin, tmp_path):
    here = clone(origin, tmp_path / "clone")
    origin.rename(tmp_path / "moved")
    assert "does not answer" in update_words(here)


def test_no_clone(tmp_path):
    assert "not a git clone" in update_words(tmp_path)


def test_extensions(origin, tmp_path):
    extensions = tmp_path / "extensions"
    extensions.mkdir()
    here = clone(origin, extensions / "b")
    clone(origin, extensions / "a")
    (extensions / "plain").mkdir()
    change(origin)
    run(extensions / "a", "remote", "set-url", "origin", str(tmp_path / "nowhere"))
    assert update_extensions(extensions) == ["Extension a: could not be updated", "Extension b: up to date"]
    assert commit(here) == commit(origin)


def test_no_extensions(tmp_path):
    assert update_extensions(tmp_path / "nothing") == []
