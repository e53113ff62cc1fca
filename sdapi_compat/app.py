"""build_app(services) -> the ASGI app: a list of routes, a list of middleware, a table of error handlers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from sdapi_compat.errors import Fault, SdapiError
from sdapi_compat.middleware import AccessLog, BasicAuth, OtherSites, ProcessTime, RequestBody, Subpath
from sdapi_compat.middleware.origins import is_loopback
from sdapi_compat.routes.recovery import recover
from sdapi_compat.routes.reply import error_reply, json_reply
from sdapi_compat.routes.table import all_routes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from sdapi_compat.services import Services
    from sdapi_compat.settings import Settings

log = logging.getLogger(__name__)
ENGINE_SECONDS = 5.0
# How long it may take to store what the last jobs gave.
STORE_SECONDS = 5.0
# How long the webhooks of jobs that have just ended may take at shutdown.
WEBHOOK_SECONDS = 5.0
GZIP_FROM_BYTES = 1000
# Base64 of PNGs does not get smaller, so speed decides.
GZIP_LEVEL = 1
CLIENT_CLOSED_REQUEST = 499
# What pages of other origins may read of a reply, besides the usual headers.
EXPOSED_HEADERS = ("X-Process-Time", "X-Sdapi-Ignored-Fields", "X-Sdapi-Task-Id", "Location", "Retry-After")


def build_app(services: Services) -> ASGIApp:
    """The ASGI application. The engine starts and stops with the app's lifespan.

    The middleware lies around Starlette's own handling of unexpected errors, so that pages of other origins
    can read those replies too.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, object]]:
        services.engine.start()
        if services.webhooks is not None:
            services.webhooks.resume()
        chores = [asyncio.create_task(recover(services)), asyncio.create_task(services.jobs.tidy())]
        try:
            yield {"services": services}
        finally:
            for chore in chores:
                chore.cancel()
            # A device that is still being made has nothing to finish.
            services.engine.stop(ENGINE_SECONDS if services.engine.ready.done() else 0.0)
            await services.jobs.close(STORE_SECONDS)
            if services.webhooks is not None:
                await services.webhooks.close(WEBHOOK_SECONDS)

    app: ASGIApp = Starlette(
        routes=all_routes(services),
        exception_handlers={
            SdapiError: on_refusal,
            HTTPException: on_http_exception,
            ClientDisconnect: on_disconnect,
            Exception: on_failure,
        },
        lifespan=lifespan,
    )
    for layer in reversed(middleware(services.settings)):
        app = layer.cls(app, *layer.args, **layer.kwargs)
    return app


def middleware(settings: Settings) -> list[Middleware]:
    """From the outside in.

    With users, "*" as allowed origin excludes credentials: any page could otherwise use the logins a browser
    remembers.
    """
    anybody = "*" in settings.cors_allow_origins
    chain = [Middleware(AccessLog)] if settings.api_log else []
    chain += [
        Middleware(ProcessTime),
        Middleware(RequestBody, limit=settings.max_body_bytes),
        Middleware(
            CORSMiddleware,
            allow_origins=settings.cors_allow_origins,
            allow_origin_regex=settings.cors_allow_origins_regex,
            allow_methods=["*"],
            allow_headers=["*"],
            allow_credentials=not (anybody and settings.users),
            allow_private_network=True,
            expose_headers=EXPOSED_HEADERS,
        ),
        Middleware(
            OtherSites,
            origins=settings.cors_allow_origins,
            regex=settings.cors_allow_origins_regex,
            loopback=is_loopback(settings.host),
        ),
        Middleware(GZipMiddleware, minimum_size=GZIP_FROM_BYTES, compresslevel=GZIP_LEVEL),
    ]
    if settings.users:
        chain.append(Middleware(BasicAuth, users={user.name: user.password for user in settings.users}))
    return [*chain, Middleware(Subpath)]


async def on_refusal(request: Request, error: Exception) -> Response:
    """Errors a caller is meant to see, in their own shapes."""
    assert isinstance(error, SdapiError)
    return error_reply(error)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Unknown paths and wrong methods, as FastAPI answers them."""
    assert isinstance(error, HTTPException)
    return json_reply({"detail": error.detail}, error.status_code, error.headers)


async def on_disconnect(request: Request, error: Exception) -> Response:
    """The client went before its body was there. Nobody reads this; the access log shows the status."""
    return Response(status_code=CLIENT_CLOSED_REQUEST)


async def on_failure(request: Request, error: Exception) -> Response:
    """A bug of ours: its class and text in the original's shape. Hypercorn logs the traceback."""
    log.error("%s %s failed", request.method, request.url.path)
    return error_reply(Fault(type(error).__name__, str(error)))
