"""The loaded model and the machine's memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sdapi_compat.backend.memory import memory_facts
from sdapi_compat.routes.reply import json_reply
from sdapi_compat.routes.state import services
from sdapi_compat.schema.server import MemoryResponse

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


async def unload_checkpoint(request: Request) -> Response:
    """POST /sdapi/v1/unload-checkpoint: free the device; the next generation loads again by itself."""
    await asyncio.wrap_future(services(request).engine.call(lambda device: device.unload()))
    return json_reply({})


async def reload_checkpoint(request: Request) -> Response:
    """POST /sdapi/v1/reload-checkpoint: bring the configured checkpoint back onto the device."""
    held = services(request)
    choice = held.catalog.configured(held.options.snapshot())
    await asyncio.wrap_future(held.engine.call(lambda device: device.load(choice)))
    return json_reply({})


async def memory(request: Request) -> Response:
    """GET /sdapi/v1/memory: RAM and CUDA memory in bytes."""
    facts = await asyncio.to_thread(memory_facts)
    return json_reply(MemoryResponse(**facts))
