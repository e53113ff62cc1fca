"""The documentation pages: no address outside, everything they name is there."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from sdapi_compat.schema import docs_pages

PAGES = [docs_pages.swagger_page, docs_pages.redoc_page]


@pytest.mark.parametrize("page", PAGES)
def test_every_address_is_relative_and_exists(page: Callable[[str], str]) -> None:
    html = page("sdapi")
    addresses = re.findall(r'(?:src|href|spec-url)="([^"]+)"|url: "([^"]+)"', html)
    found = {first or second for first, second in addresses} - {"data:,"}
    assert "openapi.json" in found
    for address in found - {"openapi.json"}:
        folder, _, name = address.partition("/")
        assert folder == docs_pages.ASSETS_PATH
        assert name in docs_pages.assets()
    assert "//" not in html.replace("<!DOCTYPE", "")


@pytest.mark.parametrize("page", PAGES)
def test_the_title_cannot_carry_markup(page: Callable[[str], str]) -> None:
    assert "<title>&lt;b&gt;</title>" in page("<b>")


def test_the_files_are_those_of_swagger_ui_and_redoc() -> None:
    files = docs_pages.assets()
    assert b"SwaggerUIBundle" in files["swagger_bundle.js"].read_bytes()
    assert b".swagger-ui" in files["swagger_style.css"].read_bytes()
    assert b"spec-url" in files["redoc.js"].read_bytes()


def test_the_address_of_the_server_is_told_to_nobody() -> None:
    assert "validatorUrl: null" in docs_pages.swagger_page("sdapi")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docs_pages, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="offapi"):
        docs_pages.assets()
