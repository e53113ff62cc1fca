"""The arguments of the scripts that come along, as GET /sdapi/v1/script-info shows them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sdapi_compat.scripting.arguments import describe

REAL = json.loads((Path(__file__).parent / "data/script_info.json").read_text(encoding="utf-8"))
LOCAL = ["None", "Lanczos", "Nearest"]


@pytest.mark.parametrize("real", REAL, ids=lambda one: f"{one['name']} {one['is_img2img']}")
def test_arguments_are_those_of_the_original(scripts: Any, real: dict[str, Any]) -> None:
    script = scripts.scripts[real["name"]]
    assert ("img2img" if real["is_img2img"] else "txt2img") in script.kinds
    # More upscalers are on the original's list, which it downloads when they are first used.
    expected = [one | {"choices": LOCAL} if one["label"] == "Upscaler" else one for one in real["args"]]
    ours = describe(script.Arguments, "img2img" if real["is_img2img"] else "txt2img")
    assert [info._asdict() for info in ours] == expected


def test_scripts_belong_to_their_routes(scripts: Any) -> None:
    listed = {
        kind: {name for name, one in scripts.scripts.items() if kind in one.kinds}
        for kind in ("txt2img", "img2img")
    }
    assert {"sd upscale", "loopback"} <= listed["img2img"] - listed["txt2img"]
    assert {"x/y/z plot", "prompts from file or textbox"} <= listed["img2img"] & listed["txt2img"]
