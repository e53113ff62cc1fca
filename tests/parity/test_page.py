"""docs/parity.md lists what is measured."""

from __future__ import annotations

import json
import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "parity.md"
ROW = re.compile(
    r"^\| (\d{3}) \| (.*) \| (\w+) \| (\d+) \| (\S+) \| (\S+) \| (\d+) \| (.*) \|$", re.MULTILINE
)
COMMAND = "PARITY_PAGE=docs/parity.md python -m pytest -q tests/parity"


def table() -> list[tuple[str, ...]]:
    return ROW.findall(PAGE.read_text(encoding="utf-8"))


def records(data: Path) -> list[dict[str, str]]:
    lines = (data / "requests.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_the_page_lists_exactly_the_golden_requests(data: Path) -> None:
    wanted = [
        (one["id"], one["name"], one["endpoint"].rsplit("/", 1)[1], str(len(one["images"])))
        for one in records(data)
    ]
    assert [row[:4] for row in table()] == wanted


def test_every_request_is_within_the_bar() -> None:
    for number, _, _, _, largest, mean, allowed, result in table():
        assert result == "equal", number
        assert int(largest) <= int(allowed), number
        assert float(mean) <= 0.12 or allowed == "12", number


def test_the_page_counts_right() -> None:
    rows = table()
    equal = sum(row[7] == "equal" for row in rows)
    assert f"{equal} of {len(rows)} requests within the bar" in PAGE.read_text(encoding="utf-8")


def test_the_page_names_the_command_that_writes_it() -> None:
    assert COMMAND in PAGE.read_text(encoding="utf-8")
