"""Waiting for a job on behalf of a client that may go away."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect

if TYPE_CHECKING:
    from starlette.requests import Request

    from sdapi_compat.jobs.keeper import Entry, Keeper
    from sdapi_compat.jobs.record import Result


async def result_of(
    request: Request, keeper: Keeper, entry: Entry, *, cancel: bool, seconds: float | None = None
) -> Result | None:
    """The job's result, None when it is not there after `seconds`. Raises the job's error.

    ClientDisconnect when the client goes; with `cancel` its job goes too, unless others wait for it.
    """
    entry.waiting += 1
    gone = asyncio.ensure_future(disconnected(request))
    try:
        await asyncio.wait({entry.task, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if entry.task.done():
            return entry.task.result()
        if not gone.done():
            return None
        if cancel and entry.waiting == 1:
            keeper.withdraw(entry)
        raise ClientDisconnect
    finally:
        entry.waiting -= 1
        gone.cancel()


async def disconnected(request: Request) -> None:
    """Until the client is gone. The body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
