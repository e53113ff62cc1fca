"""What is made of flags and config.json before anything starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sdapi_compat.services import make_services
from sdapi_compat.settings.parse import parse

OWN = """
from sdapi_compat.scripting import Extension


class Own(Extension):
    title = "own"


EXTENSION = Own()
"""


@pytest.mark.parametrize(
    ("options", "flags", "expected"),
    [
        ({}, [], {"soft inpainting", "own"}),
        ({"disable_all_extensions": "extra"}, [], {"soft inpainting"}),
        ({"disable_all_extensions": "all"}, [], set()),
        ({"disabled_extensions": ["soft-inpainting"]}, [], {"own"}),
        ({"disabled_extensions": ["own"]}, [], {"soft inpainting"}),
        ({}, ["--disable-extra-extensions"], {"soft inpainting"}),
        ({}, ["--disable-all-extensions"], set()),
    ],
)
def test_flags_and_options_say_which_extensions_there_are(
    tmp_path: Path, options: dict[str, Any], flags: list[str], expected: set[str]
) -> None:
    (tmp_path / "extensions" / "own").mkdir(parents=True)
    (tmp_path / "extensions" / "own" / "extension.py").write_text(OWN)
    (tmp_path / "config.json").write_text(json.dumps(options))
    services = make_services(parse(["--data-dir", str(tmp_path), *flags], {}))
    assert services.scripts.extensions.keys() == expected
