"""Options and command-line flags."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from sdapi_compat.errors import Fault
from sdapi_compat.options.table import TABLE
from sdapi_compat.routes.reply import json_reply
from sdapi_compat.routes.state import services
from sdapi_compat.schema.coerce import decode_object

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from sdapi_compat.services import Services

MODEL_KEYS = frozenset({"sd_model_checkpoint", "sd_vae", "sd_vae_overrides_per_model_preferences"})


async def get_options(request: Request) -> Response:
    """GET /sdapi/v1/options: every option with its value."""
    return json_reply(services(request).options.snapshot().as_reply())


async def set_options(request: Request) -> Response:
    """POST /sdapi/v1/options: store values for requests admitted from now on."""
    changes = decode_object(await request.body(), request.headers.get("content-type"))
    await asyncio.to_thread(apply, services(request), changes)
    return json_reply(None)


def apply(held: Services, changes: dict[str, Any]) -> None:
    """Check and store option changes; a changed model is loaded in the background, before it is needed.

    Faults: RuntimeError for an unknown checkpoint, KeyError for an unknown option; then nothing is changed.
    """
    wanted = changes.get("sd_model_checkpoint")
    if wanted is not None:
        info = held.catalog.checkpoints.find(str(wanted))
        if info is None:
            raise Fault("RuntimeError", f"model '{wanted}' not found")
        held.catalog.check_readable(info)
        changes = {**changes, "sd_model_checkpoint": info.title}
    before = held.options.snapshot()
    after = held.options.update(changes)
    if any(before[key] != after[key] for key in MODEL_KEYS):
        held.preload()


async def cmd_flags(request: Request) -> Response:
    """GET /sdapi/v1/cmd-flags: the command line, without secrets."""
    return json_reply(services(request).settings.flags_reply())


async def quicksettings_hint(request: Request) -> Response:
    """GET /internal/quicksettings-hint: names and labels of all options."""
    return json_reply([{"name": option.key, "label": option.label} for option in TABLE])
