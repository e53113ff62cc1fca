from __future__ import annotations

from pathlib import Path

from sdapi_compat.settings.document import page
from sdapi_compat.settings.table import FLAGS

DOCUMENT = Path(__file__).parents[2] / "docs" / "command-line.md"


def test_document_is_up_to_date() -> None:
    """When it fails: python -m sdapi_compat.settings.document > docs/command-line.md."""
    assert DOCUMENT.read_text(encoding="utf-8") == page()


def test_document_names_every_flag_with_its_effect_once() -> None:
    rows = [line for line in page().splitlines() if line.startswith("| `-")]
    assert len(rows) == len(FLAGS)
    for flag, row in zip(FLAGS, rows, strict=True):
        assert row.startswith((f"| `{flag.name}` |", f"| `{flag.name} "))
        assert row.endswith(f"| {flag.effect} |")


def test_rows_have_four_cells() -> None:
    for row in page().splitlines():
        if row.startswith("| `"):
            assert row.count("|") == 5, row
