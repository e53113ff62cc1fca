from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from sdapi_compat.imaging.upscalers import UpscalerList
from sdapi_compat.options.table import TABLE
from sdapi_compat.routes.unbuilt import REASONS
from sdapi_compat.sampling.table import SAMPLERS, SCHEDULERS
from sdapi_compat.scripting.index import WITHOUT_EFFECT


def section(text: str, title: str) -> str:
    """A second-level section of a page."""
    return text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


@pytest.mark.parametrize("path", REASONS)
def test_unbuilt_route_is_listed(path: str, page: Callable[[str], str]) -> None:
    assert f"`POST {path}`" in section(page("compatibility.md"), "What is not built yet")


@pytest.mark.parametrize("name", WITHOUT_EFFECT)
def test_script_without_effect_is_listed(name: str, page: Callable[[str], str]) -> None:
    assert f"*{name}*" in section(page("compatibility.md"), "What is not built yet")


def test_counts_are_right(page: Callable[[str], str]) -> None:
    same = section(page("compatibility.md"), "What is the same")
    assert f"All {len(TABLE)} options" in same
    assert f"The {len(SAMPLERS)} samplers and {len(SCHEDULERS)} schedulers" in same


def test_upscalers_are_named(page: Callable[[str], str]) -> None:
    *first, last = (upscaler.name for upscaler in UpscalerList())
    assert f"upscalers other than {', '.join(first)} and {last}" in page("compatibility.md")


def test_three_parts_in_order(page: Callable[[str], str]) -> None:
    parts = re.findall(r"^## (.+)$", page("compatibility.md"), re.MULTILINE)
    assert parts == ["What is the same", "What differs, and why", "What is not built yet"]
