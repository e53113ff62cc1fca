"""Finding scripts and extensions on disk, and the names clients use for them."""

from __future__ import annotations

import importlib.util
import logging
import re
import sys
from types import ModuleType
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

# Files that have a folder of their own.
IN_FOLDERS = ("script", "extension")
EXTRA_OPTIONS = "extra options"
# Built-in always-on scripts of the original. The last three belong to its page: over the API they do nothing.
WITHOUT_EFFECT = (EXTRA_OPTIONS, "refiner", "sampler", "seed")
# Two more that no list shows: the original takes their names, and they have no arguments.
UNLISTED = ("comments", "hypertile")
# Known extensions of the original's world. Clients send their names with empty arguments on every call.
KNOWN_ABSENT = frozenset(
    {
        "adetailer",
        "animatediff",
        "controlnet",
        "dynamic thresholding (cfg scale fixing)",
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

    def ignored(self, requested: Mapping[str, Any]) -> list[str]:
        """The accepted entries whose arguments change nothing, as a client can find them in its request."""
        without = {*WITHOUT_EFFECT, *UNLISTED} - {EXTRA_OPTIONS} - self.extensions.keys()
        return [
            f"alwayson_scripts.{name}"
            for name, entry in requested.items()
            if name.lower() in without and _positional(entry)
        ]

    def _check(self, name: str, values: Sequence[Any]) -> None:
        low = name.lower()
        if low in self.scripts:
            raise ApiError(422, "Cannot have a selectable script in the always on scripts params")
        if low in self.extensions or low in WITHOUT_EFFECT or low in UNLISTED:
            return
        if low not in KNOWN_ABSENT or values:
            raise ApiError(422, f"Script '{name}' not found")


def extra_options(requested: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """What the arguments of "Extra options" set, which are the values of `keys` in their order.

    A1111 1.10.1 behaviour: `keys` are those of the option extra_options_txt2img or extra_options_img2img.
    """
    given = [entry for name, entry in requested.items() if name.lower() == EXTRA_OPTIONS]
    values = _positional(given[-1]) if given else ()
    return dict(zip(keys, values, strict=False))


def _positional(entry: Any) -> Sequence[Any]:
    values = entry.get("args") if isinstance(entry, dict) else None
    return values if isinstance(values, list) else ()


def discover(
    scripts: Iterable[Path], extensions: Iterable[Path], disabled: Iterable[str] = ()
) -> ScriptIndex:
    """Load `*.py` and `*/script.py` of each scripts folder and `*/extension.py` of each extensions folder.

    What lies in a folder of its own can import its neighbours: `from .other import ...`.
    A file that does not load is reported in the log and left out; it must not keep the server from starting.
    `disabled`: names of folders of extensions to leave out; a hyphen is as good as an underscore.
    """
    patterns = "*.py", "*/script.py"
    script_files = [file for folder in scripts for glob in patterns for file in sorted(folder.glob(glob))]
    without = set(map(_plain, disabled))
    found = (file for folder in extensions for file in sorted(folder.glob("*/extension.py")))
    extension_files = [file for file in found if _plain(file.parent.name) not in without]
    loaded_scripts = [_load(file, "SCRIPT", Script) for file in script_files]
    loaded_extensions = [_load(file, "EXTENSION", Extension) for file in extension_files]
    return ScriptIndex(
        [script for script in loaded_scripts if script is not None],
        [extension for extension in loaded_extensions if extension is not None],
    )


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def _module_name(path: Path) -> str:
    return re.sub(r"\W", "_", f"sdapi_compat_plugin{path}")


def _load(file: Path, name: str, kind: type[P]) -> P | None:
    module_name = _module_name(file.absolute().with_suffix(""))
    if file.stem in IN_FOLDERS:
        package = ModuleType(_module_name(file.absolute().parent))
        package.__path__ = [str(file.absolute().parent)]
        sys.modules[package.__name__] = package
        module_name = f"{package.__name__}.{file.stem}"
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
