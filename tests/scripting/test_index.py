"""Finding plugins on disk, and the names clients use for them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sdapi_compat.errors import ApiError
from sdapi_compat.scripting import Extension, Script
from sdapi_compat.scripting.index import WITHOUT_EFFECT, ScriptIndex, discover, extra_options

SCRIPT = """
from sdapi_compat.scripting import Script

class {name}(Script):
    title = "{name}"

SCRIPT = {name}()
"""
EXTENSION = """
from sdapi_compat.scripting import Extension

class {name}(Extension):
    title = "{name}"

EXTENSION = {name}()
"""


class Repeat(Script):
    title = "Repeat"
    kinds = frozenset({"txt2img"})


class ToneArguments(msgspec.Struct):
    strength: float = 1.0


class Tone(Extension):
    title = "Tone Curve"
    Arguments = ToneArguments


INDEX = ScriptIndex([Repeat()], [Tone()])


def test_names_are_scripts_then_extensions_then_the_ones_without_effect() -> None:
    assert INDEX.names("txt2img") == ["repeat", "tone curve", *WITHOUT_EFFECT]
    assert INDEX.names("img2img") == ["tone curve", *WITHOUT_EFFECT]


@pytest.mark.parametrize("name", ["Repeat", "repeat", "REPEAT"])
def test_a_script_is_found_in_any_case(name: str) -> None:
    chosen = INDEX.select(name, [], "txt2img")
    assert chosen is not None
    assert isinstance(chosen.plugin, Repeat)


@pytest.mark.parametrize("name", [None, ""])
def test_no_name_is_no_script(name: str | None) -> None:
    assert INDEX.select(name, ["ignored"], "txt2img") is None


@pytest.mark.parametrize(
    ("name", "kind"), [("nope", "txt2img"), ("Repeat", "img2img"), ("Tone Curve", "txt2img")]
)
def test_an_unknown_script_is_422(name: str, kind: str) -> None:
    with pytest.raises(ApiError, match=f"Script '{name}' not found") as caught:
        INDEX.select(name, [], kind)
    assert caught.value.status == 422


@pytest.mark.parametrize(
    ("requested", "strength"),
    [({}, 1.0), ({"Tone Curve": {"args": [0.25]}}, 0.25), ({"TONE CURVE": {"args": ["2"]}}, 2.0),
     ({"tone curve": {}}, 1.0), ({"tone curve": {"args": None}}, 1.0), ({"tone curve": None}, 1.0)],
)  # fmt: skip
def test_an_extension_is_always_there_with_its_arguments(requested: dict[str, Any], strength: float) -> None:
    (chosen,) = INDEX.always_on(requested, "txt2img")
    assert chosen.arguments == ToneArguments(strength)


@pytest.mark.parametrize("name", ["ControlNet", "adetailer", "Refiner", "seed", "Comments", "Extra options"])
def test_known_names_without_arguments_are_accepted(name: str) -> None:
    assert len(INDEX.always_on({name: {"args": []}}, "txt2img")) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ControlNet", "Script 'ControlNet' not found"),
        ("nope", "Script 'nope' not found"),
        ("Repeat", "Cannot have a selectable script in the always on scripts params"),
    ],
)
def test_other_names_are_422(name: str, text: str) -> None:
    with pytest.raises(ApiError, match=text):
        INDEX.always_on({name: {"args": [{"enabled": True}]}}, "txt2img")


@pytest.mark.parametrize("name", ["Refiner", "SAMPLER", "seed", "comments", "Hypertile"])
def test_built_in_ones_take_any_arguments_and_tell_that_they_are_ignored(name: str) -> None:
    requested = {name: {"args": [True, "x", 0.5, "more"]}}
    assert INDEX.always_on(requested, "txt2img")
    assert INDEX.ignored(requested) == [f"alwayson_scripts.{name}"]


@pytest.mark.parametrize(
    "requested",
    [{}, {"refiner": {}}, {"seed": {"args": []}}, {"sampler": None}, {"Tone Curve": {"args": [1]}}],
)
def test_without_arguments_nothing_is_ignored(requested: dict[str, Any]) -> None:
    assert INDEX.ignored(requested) == []


def test_an_extension_of_a_built_in_name_takes_its_place() -> None:
    class Hypertile(Extension):
        title = "Hypertile"

    assert ScriptIndex([], [Hypertile()]).ignored({"hypertile": {"args": [1]}}) == []


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"args": [1, "b", 3]}, {"x": 1, "y": "b"}),
        ({"args": [1]}, {"x": 1}),
        ({"args": []}, {}),
        ({}, {}),
        (None, {}),
        ("text", {}),
    ],
)
def test_extra_options_are_the_values_of_the_named_options(entry: Any, expected: dict[str, Any]) -> None:
    assert extra_options({"Extra Options": entry}, ["x", "y"]) == expected
    assert extra_options({"other": entry}, ["x", "y"]) == {}


def test_plugins_are_found_in_their_folders(tmp_path: Path) -> None:
    scripts, extensions = tmp_path / "scripts", tmp_path / "extensions"
    (extensions / "two").mkdir(parents=True)
    scripts.mkdir()
    (scripts / "one.py").write_text(SCRIPT.format(name="One"))
    (scripts / "notes.txt").write_text("no script")
    (extensions / "two" / "extension.py").write_text(EXTENSION.format(name="Two"))
    (extensions / "loose.py").write_text("raise SystemError")
    index = discover([scripts, tmp_path / "missing"], [extensions])
    assert list(index.scripts) == ["one"]
    assert list(index.extensions) == ["two"]


@pytest.mark.parametrize(
    "text",
    ["raise RuntimeError", "SCRIPT = 5", "", "x = (", EXTENSION.format(name="E"), "import no_such_module"],
)
def test_a_file_that_is_no_script_is_left_out_with_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    (tmp_path / "bad.py").write_text(text)
    (tmp_path / "good.py").write_text(SCRIPT.format(name="Good"))
    with caplog.at_level(logging.WARNING):
        index = discover([tmp_path], [])
    assert list(index.scripts) == ["good"]
    assert "bad.py" in caplog.text
    assert "left out" in caplog.text


def test_files_of_one_name_in_two_folders_are_both_loaded(tmp_path: Path) -> None:
    for folder in ("a/scripts", "b/scripts"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "same.py").write_text(SCRIPT.format(name=f"From{folder[0].upper()}"))
    index = discover([tmp_path / "a/scripts", tmp_path / "b/scripts"], [])
    assert sorted(index.scripts) == ["froma", "fromb"]


def test_a_plugin_may_describe_arguments_with_postponed_annotations(tmp_path: Path) -> None:
    """Structs resolve their annotations through the module's name."""
    for folder in ("a", "b"):
        (tmp_path / folder / "scripts").mkdir(parents=True)
        (tmp_path / folder / "scripts" / "same.py").write_text(
            "from __future__ import annotations\n"
            "import msgspec\n"
            "from sdapi_compat.scripting import Script\n"
            f"Kind{folder} = int\n"
            "class Arguments(msgspec.Struct):\n"
            f"    value: Kind{folder} = 3\n"
            "class S(Script):\n"
            f"    title = '{folder}'\n"
            "    Arguments = Arguments\n"
            "SCRIPT = S()\n"
        )
    index = discover([tmp_path / "a/scripts", tmp_path / "b/scripts"], [])
    for name in ("a", "b"):
        chosen = index.select(name, [5], "txt2img")
        assert chosen is not None
        assert msgspec.structs.asdict(chosen.arguments) == {"value": 5}


def test_a_script_in_a_folder_imports_its_neighbours(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder / "ladder").mkdir(parents=True)
        (tmp_path / folder / "ladder" / "rungs.py").write_text(f"TITLE = 'Ladder {folder}'\n")
        script = "from .rungs import TITLE\n" + SCRIPT.format(name="Ladder")
        script = script.replace('title = "Ladder"', "title = TITLE")
        (tmp_path / folder / "ladder" / "script.py").write_text(script)
    index = discover([tmp_path / "a", tmp_path / "b"], [])
    assert list(index.scripts) == ["ladder a", "ladder b"]


def test_an_extension_imports_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "tone").mkdir()
    (tmp_path / "tone" / "words.py").write_text("NAME = 'Tone'\n")
    text = "from . import words\n" + EXTENSION.format(name="Tone").replace('"Tone"', "words.NAME")
    (tmp_path / "tone" / "extension.py").write_text(text)
    assert list(discover([], [tmp_path]).extensions) == ["tone"]


@pytest.mark.parametrize("disabled", ["soft-inpainting", "Soft_Inpainting"])
def test_disabled_extensions_are_left_out_by_the_names_of_their_folders(
    tmp_path: Path, disabled: str
) -> None:
    for folder in ("soft_inpainting", "tone"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "extension.py").write_text(EXTENSION.format(name=folder))
    assert list(discover([], [tmp_path], [disabled, "Lora"]).extensions) == ["tone"]
