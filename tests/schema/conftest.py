"""Facts about the original, as recorded from it, and the document built from our side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sdapi_compat.options.table import TABLE
from sdapi_compat.schema.openapi import About, document
from sdapi_compat.schema.options import flags_schema, options_schema
from sdapi_compat.schema.routes_table import ROUTES
from sdapi_compat.settings.table import FLAGS

DATA = Path(__file__).parent / "data"


def recorded(name: str) -> Any:
    return json.loads((DATA / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def real_names() -> Any:
    """Operation ids, schema names and property types of the original's OpenAPI document."""
    return recorded("openapi_names.json")


@pytest.fixture(scope="session")
def refusals() -> list[dict[str, Any]]:
    """Requests that the original refused, with its answers."""
    answers: list[dict[str, Any]] = recorded("refusals.json")["answers"]
    return answers


@pytest.fixture(scope="session")
def leniency() -> Any:
    """What pydantic 1 makes of odd values (as Python writes the result) or says about them."""
    return recorded("leniency.json")


@pytest.fixture(scope="session")
def listings() -> dict[str, Any]:
    """Answers of the original to GET requests, by path."""
    answers: dict[str, Any] = recorded("listings.json")["answers"]
    return answers


@pytest.fixture(scope="session")
def tables() -> dict[str, Any]:
    """The schemas Options and Flags, from the tables of options and of flags."""
    return {
        "Options": options_schema((option.key, option.default, option.label) for option in TABLE),
        "Flags": flags_schema((flag.key, flag.default, flag.sentence) for flag in FLAGS if flag.listed),
    }


@pytest.fixture(scope="session")
def openapi(tables: dict[str, Any]) -> dict[str, Any]:
    """The document of all routes."""
    return document(ROUTES, tables, About("sdapi-compat", "1.2.3", "All routes."))
