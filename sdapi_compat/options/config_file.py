"""config.json: reading it with the original's migrations, and writing it so that it is never half written."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdapi_compat.options.values import FALSE_WORDS

log = logging.getLogger(__name__)


def read(path: Path) -> dict[str, Any]:
    """The content of config.json after migrations; {} when there is no file.

    A file that is not a JSON object is moved aside to `<name>.corrupt` (`.corrupt-2`, ...) and reads as {}.
    Other failures to read raise OSError: options must not silently go back to their defaults.
    """
    try:
        content = json.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        return _moved_aside(path, str(error))
    if not isinstance(content, dict):
        return _moved_aside(path, "not a JSON object")
    return migrated(content)


def migrated(stored: Mapping[str, Any]) -> dict[str, Any]:
    """`stored` with the values of old option names under their new names, unless those are set already.

    A1111 1.10.1 behaviour: sd_vae_as_default became sd_vae_overrides_per_model_preferences with the opposite
    meaning; quicksettings and ui_reorder, texts with commas, became lists. The old keys stay.
    """
    result = dict(stored)
    as_default = stored.get("sd_vae_as_default")
    if as_default is not None:
        is_default = str(as_default).strip().lower() not in FALSE_WORDS
        result.setdefault("sd_vae_overrides_per_model_preferences", not is_default)
    for old in ("quicksettings", "ui_reorder"):
        if isinstance(stored.get(old), str):
            result.setdefault(
                f"{old}_list", [name.strip() for name in stored[old].split(",") if name.strip()]
            )
    return result


def write(path: Path, stored: Mapping[str, Any]) -> None:
    """Write config.json through a temporary file beside it; OSError leaves the old content in place."""
    content = json.dumps(dict(stored), indent=4, ensure_ascii=False).encode("utf-8")
    # A link to config.json stays a link.
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        _flushed(temporary, content)
        if target.exists():
            shutil.copymode(target, temporary)
        _replace(temporary, target, content)
    finally:
        temporary.unlink(missing_ok=True)


def _replace(temporary: Path, target: Path, content: bytes) -> None:
    try:
        temporary.replace(target)
    except OSError as error:
        # A file that is mounted by itself into a container can be written, but not replaced.
        if error.errno != errno.EBUSY:
            raise
        _flushed(target, content)


def _flushed(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _moved_aside(path: Path, reason: str) -> dict[str, Any]:
    aside = path.with_name(f"{path.name}.corrupt")
    count = 1
    while aside.exists():
        count += 1
        aside = path.with_name(f"{path.name}.corrupt-{count}")
    path.replace(aside)
    log.warning(
        "%s could not be read (%s); it is now %s and all options have their defaults", path, reason, aside
    )
    return {}
