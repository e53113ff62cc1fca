"""The table of differences at the end of a test run: a plugin that the tests' conftest.py registers.

A test leaves its line among the properties of its report, which also come from the processes of pytest-xdist.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

PROPERTY = "parity"
PAGE_VARIABLE = "PARITY_PAGE"
HERE = Path(__file__).parent


@dataclass
class Row:
    """One golden request: how its pictures differ (worst of all, 0..255) and what became of it."""

    number: str
    name: str
    route: str
    pictures: int
    largest: int | None
    mean: float | None
    bar: int
    verdict: str = ""


class Table:
    """Collects the rows of all reports."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self) -> Any:
        """Reports travel between processes as plain data."""
        outcome = yield
        report = outcome.get_result()
        report.user_properties = [
            (name, asdict(value) if isinstance(value, Row) else value)
            for name, value in report.user_properties
        ]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, value in report.user_properties:
            if name == PROPERTY and report.when == "call":
                row = Row(**dict(value))
                row.verdict = "equal" if report.passed else "differs"
                self.rows[row.number] = row

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        rows = [row for _, row in sorted(self.rows.items())]
        if not rows:
            return
        terminalreporter.section("parity with the original")
        for row in rows:
            terminalreporter.write_line(f"{row.number} {row.name:<45} {figures(row)} {row.verdict}")
        terminalreporter.write_line(summary(rows))
        if os.environ.get(PAGE_VARIABLE):
            Path(os.environ[PAGE_VARIABLE]).write_text(page(rows), encoding="utf-8")


def figures(row: Row) -> str:
    return "-" if row.largest is None or row.mean is None else f"{row.largest:>3} {row.mean:.3f}"


def summary(rows: list[Row]) -> str:
    equal = sum(row.verdict == "equal" for row in rows)
    exact = sum(row.verdict == "equal" and row.largest == 0 for row in rows)
    return f"{equal} of {len(rows)} requests within the bar, {exact} of them the same in every pixel"


def page(rows: list[Row]) -> str:
    """docs/parity.md."""
    table = "\n".join(
        f"| {row.number} | {row.name} | {row.route} | {row.pictures} | {cell(row.largest)} "
        f"| {cell(row.mean)} | {row.bar} | {row.verdict} |"
        for row in rows
    )
    template = (HERE / "page.md").read_text(encoding="utf-8")
    return template.replace("SUMMARY", summary(rows)).replace("TABLE", table)


def cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
