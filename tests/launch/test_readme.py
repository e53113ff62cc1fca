"""What the README tells people to type works."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:7860"


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_it_opens_with_the_two_commands():
    first = blocks("")[0].splitlines()
    assert first[0].startswith("python launch.py --nowebui ")
    assert first[1].startswith("python launch.py --test ")
    assert README.index(first[0]) < 100


@pytest.mark.skipif(os.name == "nt", reason="commands for a POSIX shell")
def test_the_commands_work_in_order(server, tmp_path):
    commands = "".join(blocks("sh")).replace(ADDRESS, server.url).replace("curl ", "curl --fail --silent ")
    assert commands.count("curl ") == 5
    typed = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert typed.returncode == 0, typed.stderr
    picture = Image.open(tmp_path / "apple.png")
    assert picture.size == (512, 512)
    assert picture.info["parameters"].startswith("a red apple\nSteps: 20,")
    said, options, *nulls = json_values(typed.stdout)
    assert said["info"] == picture.info["parameters"]
    assert options["samples_format"] == "png"
    assert nulls == [None, None]


def json_values(text: str) -> list[dict]:
    """JSON values that follow each other without anything between them."""
    values, at = [], 0
    while at < len(text):
        value, at = json.JSONDecoder().raw_decode(text, at)
        values.append(value)
    return values


def test_links_lead_somewhere():
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert len(links) > 8
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_page_is_reached():
    pages = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} - {
        "docs/README.md",
        "docs/options.md",
    }
    assert pages <= set(re.findall(r"\]\(([^)#]+)", README))


def test_flags_are_flags():
    from sdapi_compat.settings.table import FLAGS

    known = {flag.name for flag in FLAGS} | {"--test"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README)) <= known


def test_the_changelog_has_an_unreleased_part():
    assert "\n## Unreleased\n" in (ROOT / "CHANGELOG.md").read_text()


def test_install_page_has_every_flag_of_launch_py():
    """In the table of its flags, or among those of PyTorch."""
    source = "".join(path.read_text() for path in [ROOT / "launch.py", *(ROOT / "launcher").glob("*.py")])
    flags = set(re.findall(r'"(--[a-z][a-z-]+)"', source))
    pips = {"--no-input", "--disable-pip-version-check", "--progress-bar", "--extra-index-url", "--no-deps"}
    others = pips | {"--yes", "--default-pip", "--version", "--api", "--disable-nan-check"}
    others |= {"--ff-only", "--quiet", "--is-ancestor", "--data-dir", "--extensions-dir"}
    page = (ROOT / "docs" / "install.md").read_text()
    assert sorted(flag for flag in flags - others if f"`{flag}" not in page) == []
