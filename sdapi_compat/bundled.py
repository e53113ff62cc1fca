"""Where the scripts and extensions that come with the product are."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def bundled(name: str) -> Path:
    """The folder "scripts" or "extensions" of the product.

    An installed package carries both inside itself; in a checkout they lie beside the package. It need not
    exist: an empty folder is neither in a wheel nor in a clone.
    """
    inside = PACKAGE / "_bundled" / name
    return inside if inside.is_dir() else PACKAGE.parent / name
