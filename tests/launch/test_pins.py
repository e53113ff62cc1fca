"""Every package is pinned, in one place."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent.parent
DIRECT = ("requirements-torch.txt", "requirements.txt", "requirements-test.txt", "requirements-xformers.txt")
FILES = (*DIRECT, "constraints.txt")
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
# PyTorch pins these itself, release by release, where it brings CUDA along.
TORCHS_OWN = re.compile(r"nvidia-.*|cuda-.*|triton")


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements(file: str) -> list[Requirement]:
    lines = (line.partition("#")[0].strip() for line in (ROOT / file).read_text().splitlines())
    return [Requirement(line) for line in lines if line]


def applies(requirement: Requirement, python: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"python_version": python, "extra": ""})


def pinned(python: str) -> list[str]:
    return [canonical(one.name) for file in FILES for one in requirements(file) if applies(one, python)]


@pytest.mark.parametrize("file", FILES)
def test_every_line_names_an_exact_version(file):
    for one in requirements(file):
        assert re.fullmatch(r"==[\w.]+", str(one.specifier)), one


@pytest.mark.parametrize("python", PYTHONS)
def test_every_package_is_pinned_once(python):
    names = pinned(python)
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("file", DIRECT)
def test_every_package_has_a_reason(file):
    """A comment at the line of its first mention, or at the head of a file with a single package."""
    text = (ROOT / file).read_text()
    seen = set()
    for line in text.splitlines():
        found = re.match(r"([\w.-]+)==", line)
        if found and found[1] not in seen:
            seen.add(found[1])
            alone = len(requirements(file)) == 1
            same_reason = re.match(r"types-", line) and "types of packages" in text
            assert "#" in (text if alone else line) or same_reason, line


def test_what_is_brought_along_is_pinned_too():
    """Follow the requirements of the packages that are installed here."""
    here = metadata.version("pip") and ".".join(map(str, __import__("sys").version_info[:2]))
    known = set(pinned(here))
    open_ = [one.name for file in DIRECT[:3] for one in requirements(file) if applies(one, here)]
    seen: set[str] = set()
    while open_:
        name = canonical(open_.pop())
        if name in seen:
            continue
        seen.add(name)
        needed = (Requirement(text) for text in metadata.requires(name) or ())
        open_ += [one.name for one in needed if applies(one, here)]
    assert {name for name in seen - known if not TORCHS_OWN.fullmatch(name)} == set()
    assert len(seen) > 60, "torch, diffusers, pytest and what they need"


def test_there_is_one_version_of_every_pin_on_the_supported_pythons():
    for python in PYTHONS:
        assert {"torch", "diffusers", "transformers", "numpy", "starlette"} <= set(pinned(python)), python


def test_pyproject_takes_its_dependencies_from_these_files():
    text = (ROOT / "pyproject.toml").read_text()
    for file in DIRECT:
        assert f'"{file}"' in text
    assert not re.search(r"^dependencies = \[", text, re.MULTILINE)
