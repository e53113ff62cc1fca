"""The curl commands of the pages are requests this server understands."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
from starlette.routing import Match

from sdapi_compat.options.table import BY_KEY
from sdapi_compat.routes import table
from sdapi_compat.sampling.table import SAMPLER_BY_NAME, SCHEDULER_BY_TEXT
from sdapi_compat.schema.coerce import decode
from sdapi_compat.schema.extras import ExtrasSingleImageRequest, PNGInfoRequest
from sdapi_compat.schema.img2img import StableDiffusionProcessingImg2Img
from sdapi_compat.schema.progress import InternalProgressRequest
from sdapi_compat.schema.txt2img import StableDiffusionProcessingTxt2Img

FORM = "application/x-www-form-urlencoded"
START = "http://127.0.0.1:7860"
SCHEMAS: dict[str, type[msgspec.Struct]] = {
    "/sdapi/v1/txt2img": StableDiffusionProcessingTxt2Img,
    "/sdapi/v1/img2img": StableDiffusionProcessingImg2Img,
    "/sdapi/v1/extra-single-image": ExtrasSingleImageRequest,
    "/sdapi/v1/png-info": PNGInfoRequest,
    "/internal/progress": InternalProgressRequest,
}


def test_there_are_enough(commands: list[Any]) -> None:
    assert len(commands) > 25
    assert {"api.md", "generation.md", "images.md", "jobs.md", "models.md", "prompts.md", "scripts.md"} <= {
        command.page for command in commands
    }


def test_routes_exist(commands: list[Any], page: Callable[[str], str]) -> None:
    groups = (
        table.GENERATION,
        table.JOBS,
        table.CONTROL,
        table.LISTS,
        table.MODEL,
        table.INTERNAL,
        table.PAGES,
    )
    routes = [route for group in groups for route in group]
    known = {("GET", path) for path in re.findall(r'Route\("([^"]+)"', page("scripts.md"))}

    def exists(command: Any) -> bool:
        scope = {"type": "http", "method": command.method, "path": command.path}
        return (command.method, command.path) in known or any(
            route.matches(scope)[0] is Match.FULL for route in routes
        )

    unknown = [command for command in commands if not exists(command)]
    assert unknown == []
    assert [command.url for command in commands if not command.url.startswith(f"{START}/")] == []


def test_bodies_fit_their_schemas(commands: list[Any]) -> None:
    for command in commands:
        if command.body is None or command.path == "/sdapi/v1/options":
            continue
        decoded = decode(SCHEMAS[command.path], command.body, FORM)
        assert decoded.ignored == (), command


def test_options_exist(commands: list[Any]) -> None:
    for command in commands:
        if command.path == "/sdapi/v1/options" and command.body is not None:
            assert msgspec.json.decode(command.body).keys() <= BY_KEY.keys(), command
        if command.path in ("/sdapi/v1/txt2img", "/sdapi/v1/img2img"):
            request: Any = decode(SCHEMAS[command.path], command.body, FORM).value
            assert (request.override_settings or {}).keys() <= BY_KEY.keys(), command
            assert request.sampler_name is None or request.sampler_name in SAMPLER_BY_NAME, command
            assert request.scheduler is None or request.scheduler in SCHEDULER_BY_TEXT, command


def test_pictures_are_given_where_needed(commands: list[Any]) -> None:
    for command in commands:
        if command.path == "/sdapi/v1/img2img":
            request: Any = decode(SCHEMAS[command.path], command.body, FORM).value
            assert request.init_images, command
