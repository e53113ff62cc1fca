"""Every route of the server, as values in one list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from sdapi_compat.routes import (
    events,
    extras,
    generation,
    internal,
    jobs,
    listings,
    metrics,
    model,
    options,
    pages,
    power,
    progress,
    script_listings,
    unbuilt,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from sdapi_compat.services import Services

    Handler = Callable[[Request], Awaitable[Response]]

API = "/sdapi/v1"


def get(path: str, handler: Handler) -> Route:
    """A GET route (HEAD comes with it)."""
    return Route(path, handler, methods=["GET"])


def post(path: str, handler: Handler) -> Route:
    """A POST route."""
    return Route(path, handler, methods=["POST"])


def all_routes(services: Services) -> list[BaseRoute]:
    """The server's own routes, then those of extensions."""
    routes: list[BaseRoute] = [*GENERATION, *JOBS, *CONTROL, *LISTS, *MODEL, *INTERNAL, *PAGES]
    routes += [post(path, unbuilt.unbuilt(reason)) for path, reason in unbuilt.REASONS.items()]
    if services.settings.api_server_stop:
        routes += POWER
    for extension in services.scripts.extensions.values():
        routes += extension.routes()
    return routes


GENERATION = [
    post(f"{API}/txt2img", generation.txt2img),
    post(f"{API}/img2img", generation.img2img),
    post(f"{API}/png-info", generation.png_info),
    post(f"{API}/extra-single-image", extras.single),
    post(f"{API}/extra-batch-images", extras.batch),
]
JOBS = [
    get(f"{API}/jobs", jobs.listing),
    # Ids may hold slashes, so the longer paths come first.
    get(f"{API}/jobs/{{id:path}}/images/{{n:int}}", jobs.image),
    get(f"{API}/jobs/{{id:path}}/events", events.events),
    get(f"{API}/jobs/{{id:path}}", jobs.show),
    Route(f"{API}/jobs/{{id:path}}", jobs.delete, methods=["DELETE"]),
]
CONTROL = [
    get(f"{API}/progress", progress.progress),
    post(f"{API}/interrupt", progress.interrupt),
    post(f"{API}/skip", progress.skip),
    get(f"{API}/options", options.get_options),
    post(f"{API}/options", options.set_options),
    get(f"{API}/cmd-flags", options.cmd_flags),
]
LISTS = [
    get(f"{API}/samplers", listings.samplers),
    get(f"{API}/schedulers", listings.schedulers),
    get(f"{API}/upscalers", listings.upscalers),
    get(f"{API}/latent-upscale-modes", listings.latent_upscale_modes),
    get(f"{API}/sd-models", listings.sd_models),
    get(f"{API}/sd-vae", listings.sd_vae),
    get(f"{API}/hypernetworks", listings.hypernetworks),
    get(f"{API}/face-restorers", listings.nothing),
    get(f"{API}/realesrgan-models", listings.nothing),
    get(f"{API}/prompt-styles", listings.prompt_styles),
    get(f"{API}/embeddings", listings.embeddings),
    get(f"{API}/loras", listings.loras),
    get(f"{API}/scripts", script_listings.scripts),
    get(f"{API}/script-info", script_listings.script_info),
    get(f"{API}/extensions", listings.nothing),
]
MODEL = [
    get(f"{API}/memory", model.memory),
    post(f"{API}/unload-checkpoint", model.unload_checkpoint),
    post(f"{API}/reload-checkpoint", model.reload_checkpoint),
    post(f"{API}/refresh-checkpoints", listings.refresh),
    post(f"{API}/refresh-vae", listings.refresh),
    post(f"{API}/refresh-embeddings", listings.refresh),
    post(f"{API}/refresh-loras", listings.refresh),
]
INTERNAL = [
    get("/healthz", internal.healthz),
    get("/readyz", internal.readyz),
    get("/metrics", metrics.metrics),
    get("/internal/ping", internal.ping),
    post("/internal/progress", progress.internal_progress),
    get("/internal/pending-tasks", progress.pending_tasks),
    get("/internal/quicksettings-hint", options.quicksettings_hint),
    get("/internal/profile-startup", internal.profile_startup),
    get("/internal/sysinfo", internal.sysinfo),
    get("/internal/sysinfo-download", internal.sysinfo),
    get("/app_id", internal.app_id),
    get("/token", internal.token),
    get("/login_check", internal.login_check),
    post("/login", internal.login),
]
PAGES = [
    get("/", pages.home),
    get("/config", pages.config),
    get("/docs", pages.swagger),
    get("/redoc", pages.redoc),
    get("/docs-assets/{name}", pages.asset),
    get("/openapi.json", pages.openapi),
]
POWER = [
    post(f"{API}/server-kill", power.kill),
    post(f"{API}/server-restart", power.restart),
    post(f"{API}/server-stop", power.stop),
]
