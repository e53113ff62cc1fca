"""The examples of docs/scripts.md load and do what the page says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.routing import Route

from sdapi_compat.imaging.wire import ImageLimits
from sdapi_compat.options.snapshot import Snapshot
from sdapi_compat.plan.draft import Draft, Limits, from_txt2img
from sdapi_compat.schema.coerce import decode
from sdapi_compat.schema.img2img import StableDiffusionProcessingImg2Img as IMG2IMG
from sdapi_compat.schema.txt2img import StableDiffusionProcessingTxt2Img as TXT2IMG
from sdapi_compat.scripting import Extension, Outcome, Picture, Script
from sdapi_compat.scripting.arguments import describe
from sdapi_compat.scripting.index import ScriptIndex, discover

ROOT = Path(__file__).resolve().parents[2]
FORM = "application/x-www-form-urlencoded"
ANY_PLAN: Any = SimpleNamespace()


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, blocks: Callable[[str, str], list[str]]) -> ScriptIndex:
    """The examples, written to files and discovered as the server does it."""
    folder = tmp_path_factory.mktemp("data")
    for content in blocks("scripts.md", "python"):
        place = folder / content.split("\n", 1)[0].removeprefix("# ")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content, encoding="utf-8")
    return discover([folder / "scripts"], [folder / "extensions"])


@pytest.fixture
def draft() -> Draft:
    request = TXT2IMG(prompt="a lighthouse", seed=7, steps=2)
    return from_txt2img(request, Snapshot({}), Limits(ImageLimits(), 4096))


def outcome_of(draft: Draft) -> Outcome:
    text = f"cfg {draft.cfg_scale}"
    return Outcome([Picture(Image.new("RGB", (8, 8)), text)], [text], {"seed": draft.seed})


def test_examples_are_found(index: ScriptIndex) -> None:
    assert list(index.scripts) == ["cfg ladder"]
    assert list(index.extensions) == ["calm latents"]


def test_arguments_are_described(index: ScriptIndex) -> None:
    ladder = [(info.label, info.value) for info in describe(index.scripts["cfg ladder"].Arguments)]
    assert ladder == [("Lowest CFG scale", 3.0), ("Highest CFG scale", 12.0), ("Number of pictures", 4)]
    calm = [(info.label, info.value) for info in describe(index.extensions["calm latents"].Arguments)]
    assert calm == [("Enabled", False), ("Largest latent value", 3.0)]


def test_script_climbs(index: ScriptIndex, draft: Draft) -> None:
    chosen = index.select("CFG ladder", [4, "10", 3], "txt2img")
    assert chosen is not None
    running = chosen.plugin.run(draft, chosen.arguments)
    asked = [next(running)]
    for _ in range(2):
        asked.append(running.send(outcome_of(asked[-1])))
    with pytest.raises(StopIteration) as stop:
        running.send(outcome_of(asked[-1]))
    result = stop.value.value
    assert [wish.cfg_scale for wish in asked] == [4, 7, 10]
    assert [wish.seed for wish in asked] == [7, 7, 7]
    assert len(asked) == chosen.plugin.parts(draft, chosen.arguments)
    assert result.infotexts == ["cfg 4.0", "cfg 7.0", "cfg 10.0"]
    assert len(result.pictures) == 3
    assert result.info == {"seed": 7, "infotexts": result.infotexts}


def test_interrupted_script_ends(index: ScriptIndex, draft: Draft) -> None:
    chosen = index.select("cfg ladder", [], "txt2img")
    assert chosen is not None
    running = chosen.plugin.run(draft, chosen.arguments)
    next(running)
    for _ in range(3):
        running.send(Outcome([], ["nothing"], {}))
    with pytest.raises(StopIteration) as stop:
        running.send(Outcome([], ["nothing"], {}))
    assert stop.value.value.pictures == []


def test_extension_does_nothing_by_default(index: ScriptIndex, draft: Draft) -> None:
    (chosen,) = index.always_on({}, "txt2img")
    assert chosen.plugin.on_draft(draft, chosen.arguments) is draft
    assert chosen.plugin.on_denoised(ANY_PLAN, chosen.arguments) is None


def test_extension_calms(index: ScriptIndex, draft: Draft) -> None:
    (chosen,) = index.always_on({"Calm latents": {"args": [True, 2.5]}}, "txt2img")
    assert chosen.plugin.on_draft(draft, chosen.arguments).extra == {"Calm latents": 2.5}
    calm = chosen.plugin.on_denoised(ANY_PLAN, chosen.arguments)
    # An array stands for the tensor: both have `clip`, and torch takes long to import.
    assert calm(np.array([-4.0, 1.0, 9.0]), 1.0).tolist() == [-2.5, 1.0, 2.5]


def test_extension_adds_its_route(index: ScriptIndex) -> None:
    routes = index.extensions["calm latents"].routes()
    assert [route.path for route in routes if isinstance(route, Route)] == ["/calm-latents"]


def test_scripts_that_come_along_are_named(page: Callable[[str], str]) -> None:
    built_in = discover([ROOT / "scripts"], [ROOT / "extensions"])
    plugins: list[Script | Extension] = [*built_in.scripts.values(), *built_in.extensions.values()]
    assert [plugin.title for plugin in plugins if f"**{plugin.title}**" not in page("scripts.md")] == []


def test_commands_name_scripts_and_arguments_they_take(commands: list[Any]) -> None:
    built_in = discover([ROOT / "scripts"], [ROOT / "extensions"])
    named = set()
    for command in commands:
        schema = {"/sdapi/v1/txt2img": TXT2IMG, "/sdapi/v1/img2img": IMG2IMG}.get(command.path)
        if schema is None or command.body is None:
            continue
        request: Any = decode(schema, command.body, FORM).value
        if request.script_name not in (None, "CFG ladder"):
            kind = command.path.rsplit("/", 1)[1]
            assert built_in.select(request.script_name, request.script_args, kind) is not None
            named.add(request.script_name.lower())
    assert {"x/y/z plot", "prompts from file or textbox", "loopback", "sd upscale"} <= named
