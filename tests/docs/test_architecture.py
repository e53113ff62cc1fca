from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from sdapi_compat.engine import asks
from sdapi_compat.engine.loop import Loop

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "sdapi_compat"


def first_column(text: str, header: str) -> list[str]:
    """The first cells of the table with that first header."""
    table = text.split(f"\n| {header} |", 1)[1].split("\n\n", 1)[0]
    return [line.split("|")[1].strip(" `") for line in table.splitlines()[2:]]


def test_layers_are_those_of_the_contract(page: Callable[[str], str]) -> None:
    contract = re.search(r"^layers = \[\n(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.M | re.S)
    assert contract is not None
    section = page("architecture.md").split("## Who may import whom", 1)[1]
    shown = section.split("```", 2)[1].strip().splitlines()
    assert shown == re.findall(r'"([^"]+)"', contract[1])


def test_every_room_is_listed(page: Callable[[str], str]) -> None:
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert set(first_column(page("architecture.md"), "Room")) == rooms


def test_every_file_is_listed(page: Callable[[str], str]) -> None:
    files = {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py"}
    assert set(first_column(page("architecture.md"), "File")) == files


def test_verbs_are_methods(page: Callable[[str], str]) -> None:
    verbs = first_column(page("architecture.md"), "Verb")
    assert len(verbs) == 5
    assert [verb for verb in verbs if not hasattr(Loop, f"_{verb}")] == []


def test_every_ask_is_listed(page: Callable[[str], str]) -> None:
    names = [kind.__name__ for kind in get_args(asks.Ask)]
    assert first_column(page("architecture.md"), "Ask") == names
    assert all(kind.key for kind in get_args(asks.Ask))


def test_files_named_exist(page: Callable[[str], str]) -> None:
    named = re.findall(r"`((?:[a-z_0-9]+/)+[a-z_0-9]+\.py)`", page("architecture.md"))
    assert len(named) > 7
    assert [name for name in named if not (PACKAGE / name).is_file()] == []
