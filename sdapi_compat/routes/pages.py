"""Pages for people: the start page, Swagger UI, ReDoc, and the OpenAPI document behind them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from sdapi_compat import __version__
from sdapi_compat.errors import ApiError
from sdapi_compat.options.table import TABLE
from sdapi_compat.plan.build import SPOKEN_VERSION
from sdapi_compat.routes.reply import json_reply
from sdapi_compat.routes.state import services
from sdapi_compat.schema import docs_pages
from sdapi_compat.schema.openapi import About, document
from sdapi_compat.schema.options import flags_schema, options_schema
from sdapi_compat.schema.routes_table import described
from sdapi_compat.scripting.openapi import add_script_arguments
from sdapi_compat.settings.table import FLAGS

if TYPE_CHECKING:
    from starlette.requests import Request

TITLE = "Stable Diffusion API"
HOME = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><link rel="icon" href="data:,"><title>{title}</title></head>
<body>
<h1>{title}</h1>
<p>This server speaks the API of AUTOMATIC1111's stable-diffusion-webui {spoken}.</p>
<ul>
<li><a href="docs">Try the routes</a> (Swagger UI)</li>
<li><a href="redoc">Read about them</a> (ReDoc)</li>
<li><a href="openapi.json">The OpenAPI document</a></li>
</ul>
</body>
</html>
"""


async def home(request: Request) -> Response:
    """GET and HEAD /: clients probe it for 2xx."""
    return HTMLResponse(HOME.format(title=TITLE, spoken=SPOKEN_VERSION))


async def config(request: Request) -> Response:
    """GET /config: the original's page layout; here the little of it that clients look at."""
    return json_reply(
        {"version": __version__, "mode": "api", "title": TITLE, "components": [], "dependencies": []}
    )


async def swagger(request: Request) -> Response:
    """GET /docs."""
    return HTMLResponse(docs_pages.swagger_page(TITLE))


async def redoc(request: Request) -> Response:
    """GET /redoc."""
    return HTMLResponse(docs_pages.redoc_page(TITLE))


async def asset(request: Request) -> Response:
    """GET /docs-assets/{name}: scripts and styles of the two pages."""
    file = docs_pages.assets().get(request.path_params["name"])
    if file is None:
        raise ApiError(404, "Not Found")
    return FileResponse(file, headers={"Cache-Control": "max-age=86400"})


async def openapi(request: Request) -> Response:
    """GET /openapi.json: the routes that are mounted, nothing else."""
    mounted = [
        (method, route.path_format)
        for route in request.app.routes
        if isinstance(route, Route)
        for method in route.methods or ()
    ]
    held = services(request)
    settings = held.settings
    about = About(
        title=TITLE,
        version=SPOKEN_VERSION.removeprefix("v"),
        description=f"AUTOMATIC1111's stable-diffusion-webui API, spoken by sdapi_compat {__version__}.",
        subpath=settings.subpath,
        auth=bool(settings.users),
    )
    tables = {
        "Options": options_schema((option.key, option.default, option.label) for option in TABLE),
        "Flags": flags_schema((flag.key, flag.default, flag.sentence) for flag in FLAGS if flag.listed),
    }

    def make() -> dict[str, Any]:
        made = document(described(mounted), tables, about)
        add_script_arguments(made, held.scripts)
        return made

    return json_reply(await asyncio.to_thread(make))
