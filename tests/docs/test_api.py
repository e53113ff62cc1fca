from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from sdapi_compat.routes import table, unbuilt

ROW = re.compile(r"^\| (GET|POST|DELETE) \| `([^`]+)` \|", re.MULTILINE)


def mounted() -> set[tuple[str, str]]:
    """(method, path) of every route the server can have by itself."""
    groups = (
        table.GENERATION, table.JOBS, table.CONTROL, table.LISTS, table.MODEL, table.INTERNAL,
        table.PAGES, table.POWER,
    )  # fmt: skip
    routes = {
        (method, route.path_format)
        for group in groups
        for route in group
        for method in route.methods or ()
        if method != "HEAD"
    }
    return routes | {("POST", path) for path in unbuilt.REASONS}


def test_every_route_has_a_row(page: Callable[[str], str]) -> None:
    documented = ROW.findall(page("api.md"))
    assert mounted() - set(documented) == set()
    assert [row for row, count in Counter(documented).items() if count > 1] == []


def test_no_row_without_a_route(page: Callable[[str], str]) -> None:
    assert set(ROW.findall(page("api.md"))) - mounted() == set()


def test_unbuilt_routes_say_501(page: Callable[[str], str]) -> None:
    rows = [line for line in page("api.md").splitlines() if line.startswith("| POST |")]
    for path in unbuilt.REASONS:
        (row,) = (line for line in rows if f"`{path}`" in line)
        assert "501" in row
