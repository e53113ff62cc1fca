"""Small routes clients probe a server with: liveness, sessions, system information."""

from __future__ import annotations

import os
import platform
import secrets
import sys
from datetime import datetime
from importlib import metadata
from typing import TYPE_CHECKING

import msgspec
from starlette.responses import RedirectResponse, Response

from sdapi_compat import __version__
from sdapi_compat.plan.build import SPOKEN_VERSION
from sdapi_compat.routes.reply import json_reply
from sdapi_compat.routes.state import services
from sdapi_compat.schema.coerce import decode
from sdapi_compat.schema.server import AppId, LoginForm, LoginReply, StartupProfile, TokenReply

if TYPE_CHECKING:
    from starlette.requests import Request

    from sdapi_compat.services import Services

# Never COMMANDLINE_ARGS or addresses of package indexes: they may hold passwords.
SHOWN_ENVIRONMENT = (
    "CUDA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "PYTORCH_CUDA_ALLOC_CONF",
)


async def ping(request: Request) -> Response:
    """GET /internal/ping."""
    return json_reply({})


async def healthz(request: Request) -> Response:
    """GET /healthz: the process answers."""
    return json_reply({"status": "ok"})


async def readyz(request: Request) -> Response:
    """GET /readyz: 200 once a generation would start at once, 503 while the model is being loaded."""
    ready = services(request).engine.ready
    if ready.done() and ready.exception() is None:
        return json_reply({"status": "ready"})
    return json_reply({"status": "failed" if ready.done() else "loading"}, 503)


async def app_id(request: Request) -> Response:
    """GET /app_id: changes with every start."""
    return json_reply(AppId(services(request).app_id))


async def token(request: Request) -> Response:
    """GET /token: there are no login sessions here, so both are null."""
    return json_reply(TokenReply(None, None))


async def login_check(request: Request) -> Response:
    """GET /login_check: whoever gets here has been let in."""
    return json_reply("OK")


async def login(request: Request) -> Response:
    """POST /login: form login of the original's web UI. Without users it leads back to the start page."""
    users = services(request).settings.users
    if not users:
        return RedirectResponse(f"{request.scope['root_path']}/", 302)
    form = decode(LoginForm, await request.body(), request.headers.get("content-type")).value
    matches = [
        secrets.compare_digest(form.username.encode(), user.name.encode())
        & secrets.compare_digest(form.password.encode(), user.password.encode())
        for user in users
    ]
    if any(matches):
        return json_reply(LoginReply(True))
    return json_reply({"detail": "Incorrect credentials."}, 400)


async def profile_startup(request: Request) -> Response:
    """GET /internal/profile-startup: seconds from process start to the loaded model; null before."""
    records = dict(services(request).timings)
    if "model" not in records:
        return json_reply(None)
    return json_reply(StartupProfile(sum(records.values()), records))


async def sysinfo(request: Request) -> Response:
    """GET /internal/sysinfo: what a bug report needs, as a JSON text file, without secrets."""
    saved = request.url.path.endswith("download") or "attachment" in request.query_params
    name = datetime.now().strftime("sysinfo-%Y-%m-%d-%H-%M.json")
    disposition = f'{"attachment" if saved else "inline"}; filename="{name}"'
    facts = msgspec.json.encode(_system_facts(services(request)), order="sorted")
    body = msgspec.json.format(facts, indent=4)
    return Response(body, 200, {"Content-Disposition": disposition}, media_type="text/plain")


def _system_facts(held: Services) -> dict[str, object]:
    return {
        "Platform": platform.platform(),
        "Python": sys.version.split()[0],
        "Version": __version__,
        "Speaks": SPOKEN_VERSION,
        "Data path": str(held.settings.data_dir),
        "Commandline": held.settings.flags_reply(),
        "CPU": {"model": platform.processor() or platform.machine(), "count logical": os.cpu_count()},
        "Extensions": sorted(held.scripts.extensions),
        "Environment": {name: os.environ[name] for name in SHOWN_ENVIRONMENT if name in os.environ},
        "Config": dict(held.options.snapshot().stored),
        "Startup": dict(held.timings),
        "Packages": sorted(f"{dist.name}=={dist.version}" for dist in metadata.distributions()),
    }
