from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def links(text: str) -> list[str]:
    return LINK.findall(FENCED.sub("", text))


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = HEADING.findall(FENCED.sub("", text))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_index_links_every_page(docs: Path, page: Callable[[str], str]) -> None:
    pages = {file.name for file in docs.glob("*.md")} - {"README.md"}
    assert pages <= set(links(page("README.md")))


def test_links_resolve(docs: Path) -> None:
    broken = []
    for file in docs.glob("*.md"):
        for link in links(file.read_text(encoding="utf-8")):
            name, _, anchor = link.partition("#")
            target = (file.parent / name) if name else file
            if "://" in link:
                continue
            if not target.exists():
                broken.append(f"{file.name}: {link}")
            elif anchor and anchor not in anchors(target.read_text(encoding="utf-8")):
                broken.append(f"{file.name}: {link} (no such heading)")
    assert broken == []


def test_pages_have_one_title(docs: Path) -> None:
    for file in docs.glob("*.md"):
        text = FENCED.sub("", file.read_text(encoding="utf-8"))
        assert text.startswith("# "), file.name
        assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1, file.name
