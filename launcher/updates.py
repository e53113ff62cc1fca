"""--update-check and --update-all-extensions, for installations that are git clones."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

GIT_SECONDS = 30.0


def git(folder: Path, *arguments: str) -> str | None:
    """What git prints; None when it fails, asks for a password or is not there."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=GIT_SECONDS,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0"},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def commit(root: Path) -> str | None:
    """The commit that is checked out; None where `root` itself is no clone."""
    return git(root, "rev-parse", "HEAD") if (root / ".git").exists() else None


def update_words(root: Path) -> str:
    """One sentence: is there something newer where this clone came from?"""
    here = commit(root)
    if here is None:
        return "Update check: this folder is not a git clone, so there is nothing to compare with."
    there = git(root, "ls-remote", "origin", "HEAD")
    if not there:
        return "Update check: the repository this clone came from does not answer."
    if git(root, "merge-base", "--is-ancestor", there.split()[0], here) is None:
        return "Update check: a newer version is there; `git pull` gets it."
    return "Update check: this is the newest version."


def update_extensions(folder: Path) -> list[str]:
    """Bring each extension that is a git clone up to date; one sentence for each."""
    clones = sorted(path for path in folder.glob("*") if (path / ".git").exists())
    told = []
    for path in clones:
        pulled = git(path, "pull", "--ff-only", "--quiet")
        told.append(f"Extension {path.name}: " + ("could not be updated" if pulled is None else "up to date"))
    return told
