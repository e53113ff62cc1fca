"""Finding scripts and extensions on disk, and the names clients use for them."""

from __future__ import annotations

import importlib.util
import logging
import re
import sys
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from sdapi_compat.errors import ApiError
from sdapi_compat.scripting.arguments import bind
from sdapi_compat.scripting.protocol import Extension, Script

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import msgspec

log = logging.getLogger(__name__)
P = TypeVar("P", Script, Extension)

# Built-in always-on scripts of the original that change nothing over the API; any arguments are accepted.
WITHOUT_EFFECT = ("extra options", "refiner", "sampler", "seed")
# Known extensions of the original's world. Clients send their names with empty arguments on every call.
KNOWN_ABSENT = frozenset(
    {
        "adetailer",
        "animatediff",
        "controlnet",
        "dynamic thresholding (cfg scale fixing)",
        "hypertile",
        "reactor",
        "regional prompter",
        "roop",
        "segment anything",
        "self attention guidance",
        "soft inpainting",
        "tiled diffusion",
        "tiled vae",
    }
)


class Chosen(NamedTuple):
    """A script or extension with the arguments of this request."""

    plugin: Any
    arguments: msgspec.Struct


class ScriptIndex:
    """All scripts and extensions that were found, by lower-case title."""

    def __init__(self, scripts: Sequence[Script], extensions: Sequence[Extension]) -> None:
        self.scripts = {script.title.lower(): script for script in scripts}
        self.extensions = {extension.title.lower(): extension for extension in extensions}

    def names(self, kind: str) -> list[str]:
        """What GET /scripts shows for txt2img or img2img."""
        selectable = [name for name, script in self.scripts.items() if kind in script.kinds]
        always_on = [name for name, extension in self.extensions.items() if kind in extension.kinds]
        return [*sorted(selectable), *sorted(always_on), *WITHOUT_EFFECT]

    def select(self, name: str | None, arguments: Sequence[Any], kind: str) -> Chosen | None:
        """The script a request names. ApiError 422 when there is none of that name."""
        if not name:
            return None
        script = self.scripts.get(name.lower())
        if script is None or kind not in script.kinds:
            raise ApiError(422, f"Script '{name}' not found")
        return Chosen(script, bind(script.Arguments, arguments, ("body", "script_args")))

    def always_on(self, requested: Mapping[str, Any], kind: str) -> list[Chosen]:
        """Every extension with its arguments of this request.

        ApiError 422 for a name nobody knows, for a selectable script, and for a known extension that is not
        here but was given arguments (a no-op without them, because clients send such entries on every call).
        """
        given = {name.lower(): _positional(entry) for name, entry in requested.items()}
        for name, entry in requested.items():
            self._check(name, _positional(entry))
        chosen = []
        for name, extension in self.extensions.items():
            if kind in extension.kinds:
                where = ("body", "alwayson_scripts", name)
                chosen.append(Chosen(extension, bind(extension.Arguments, given.get(name, ()), where)))
        return chosen

    def _check(self, name: str, values: Sequence[Any]) -> None:
        low = name.lower()
        if low in self.scripts:
            raise ApiError(422, "Cannot have a selectable script in the always on scripts params")
        if low in self.extensions or low in WITHOUT_EFFECT:
            return
        if low not in KNOWN_ABSENT or values:
            raise ApiError(422, f"Script '{name}' not found")


def _positional(entry: Any) -> Sequence[Any]:
    values = entry.get("args") if isinstance(entry, dict) else None
    return values if isinstance(values, list) else ()


def discover(scripts: Iterable[Path], extensions: Iterable[Path]) -> ScriptIndex:
    """Load `*.py` of each scripts folder and `*/extension.py` of each extensions folder.

    A file that does not load is reported in the log and left out; it must not keep the server from starting.
    """
    script_files = [file for folder in scripts for file in sorted(folder.glob("*.py"))]
    extension_files = [file for folder in extensions for file in sorted(folder.glob("*/extension.py"))]
    loaded_scripts = [_load(file, "SCRIPT", Script) for file in script_files]
    loaded_extensions = [_load(file, "EXTENSION", Extension) for file in extension_files]
    return ScriptIndex(
        [script for script in loaded_scripts if script is not None],
        [extension for extension in loaded_extensions if extension is not None],
    )


def _load(file: Path, name: str, kind: type[P]) -> P | None:
    module_name = re.sub(r"\W", "_", f"sdapi_compat_plugin{file.absolute().with_suffix('')}")
    spec = importlib.util.spec_from_file_location(module_name, file)
    if spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    # Type hints of Structs are resolved by the module's name.
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except Exception:  # somebody else's code: its fault must not stop the server
        log.exception("%s could not be loaded and is left out", file)
        return None
    plugin = getattr(module, name, None)
    if not isinstance(plugin, kind):
        log.warning("%s has no %s of the right kind and is left out", file, name)
        return None
    return plugin
