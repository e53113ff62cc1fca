"""Ending the server over the API; only with --api-server-stop."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse, Response

if TYPE_CHECKING:
    from starlette.requests import Request


async def kill(request: Request) -> Response:
    """POST /sdapi/v1/server-kill: end at once; the connection drops, as with the original."""
    os._exit(0)


async def restart(request: Request) -> Response:
    """POST /sdapi/v1/server-restart: 501, as in the original where no launcher loop is waiting."""
    return Response(status_code=501)


async def stop(request: Request) -> Response:
    """POST /sdapi/v1/server-stop: end in order; running jobs get their bounded time."""
    os.kill(os.getpid(), signal.SIGTERM)
    return PlainTextResponse("Stopping.")
