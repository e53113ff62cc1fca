from __future__ import annotations

from pathlib import Path

from sdapi_compat.options.document import page
from sdapi_compat.options.table import TABLE

DOCUMENT = Path(__file__).parents[2] / "docs" / "options.md"


def test_document_is_up_to_date() -> None:
    """When it fails: python -m sdapi_compat.options.document > docs/options.md."""
    assert DOCUMENT.read_text(encoding="utf-8") == page()


def test_document_names_every_option_with_its_effect_once() -> None:
    rows = [line for line in page().splitlines() if line.startswith("| `")]
    assert len(rows) == len(TABLE)
    for option, row in zip(TABLE, rows, strict=True):
        assert row.startswith(f"| `{option.key}` |")
        assert row.endswith(f" {option.effect} |")


def test_rows_have_five_cells() -> None:
    for row in page().splitlines():
        if row.startswith("| `"):
            assert row.replace("\\|", "").count("|") == 6, row
