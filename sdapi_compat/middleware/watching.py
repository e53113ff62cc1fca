"""What is measured and logged of every request."""

from __future__ import annotations

import logging
import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)


class ProcessTime:
    """Adds `X-Process-Time`: seconds until the reply began, rounded to four places."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()

        async def timed_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Process-Time"] = str(round(time.perf_counter() - start, 4))
            await send(message)

        await self.app(scope, receive, timed_send)


class AccessLog:
    """One log line per API request: status, method, path, client, seconds. Never bodies: they hold keys."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or "/sdapi/" not in scope["path"]:
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()
        status = HTTPStatus.INTERNAL_SERVER_ERROR.value

        async def watching_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watching_send)
        finally:
            client = scope["client"][0] if scope.get("client") else "-"
            route = f"{scope['scheme']}/{scope['http_version']} {scope['method']} {scope['path']}"
            log.info("API %s %s %s %.4f", status, route, client, time.perf_counter() - start)
