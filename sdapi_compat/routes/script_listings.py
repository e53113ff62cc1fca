"""Scripts, extensions and always-on parts of the original, with their arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdapi_compat.options.table import BY_KEY
from sdapi_compat.routes.reply import json_reply
from sdapi_compat.routes.state import services
from sdapi_compat.sampling.table import SAMPLERS, SCHEDULERS
from sdapi_compat.schema.scripts import ScriptArg, ScriptInfo, ScriptsList
from sdapi_compat.scripting.arguments import describe
from sdapi_compat.scripting.index import EXTRA_OPTIONS, WITHOUT_EFFECT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from sdapi_compat.options.snapshot import Snapshot
    from sdapi_compat.services import Services

KINDS = ("txt2img", "img2img")


async def scripts(request: Request) -> Response:
    """GET /sdapi/v1/scripts."""
    index = services(request).scripts
    return json_reply(ScriptsList(index.names("txt2img"), index.names("img2img")))


async def script_info(request: Request) -> Response:
    """GET /sdapi/v1/script-info: what GET /sdapi/v1/scripts lists, with arguments in positional order."""
    held = services(request)
    return json_reply([_info(held, name, kind) for kind in KINDS for name in held.scripts.names(kind)])


def _info(held: Services, name: str, kind: str) -> ScriptInfo:
    plugin = held.scripts.scripts.get(name) or held.scripts.extensions.get(name)
    if plugin is None:
        arguments = (
            options_arguments(held.options.snapshot(), f"extra_options_{kind}")
            if name == EXTRA_OPTIONS
            else page_arguments([info.title for info in held.catalog.checkpoints])[name]
        )
    else:
        arguments = [ScriptArg(*info) for info in describe(plugin.Arguments, kind)]
    return ScriptInfo(
        name=name,
        is_alwayson=name not in held.scripts.scripts,
        is_img2img=kind == "img2img",
        args=arguments,
    )


def options_arguments(snapshot: Snapshot, key: str) -> list[ScriptArg]:
    """Arguments of "Extra options": the options that the option `key` names, with their values."""
    return [ScriptArg(BY_KEY[name].label, snapshot[name]) for name in snapshot.names(key) if name in BY_KEY]


def page_arguments(checkpoints: Sequence[str]) -> dict[str, list[ScriptArg]]:
    """Arguments of the always-on parts that A1111 1.10.1 lists and, over the API, ignores."""
    samplers, schedules = [spec.name for spec in SAMPLERS], [spec.label for spec in SCHEDULERS]
    arguments = [
        [
            ScriptArg("Refiner", False),
            ScriptArg("Checkpoint", "", choices=list(checkpoints)),
            ScriptArg("Switch at", 0.8, 0.01, 1.0, 0.01),
        ],
        [
            ScriptArg("Sampling steps", 20, 1, 150, 1),
            ScriptArg("Sampling method", samplers[0], choices=samplers),
            ScriptArg("Schedule type", schedules[0], choices=schedules),
        ],
        [
            ScriptArg("Seed", -1, step=1),
            ScriptArg("Extra", False),
            ScriptArg("Variation seed", -1, step=1),
            ScriptArg("Variation strength", 0.0, 0, 1, 0.01),
            ScriptArg("Resize seed from width", 0, 0, 2048, 8),
            ScriptArg("Resize seed from height", 0, 0, 2048, 8),
        ],
    ]
    return dict(zip(WITHOUT_EFFECT[1:], arguments, strict=True))
