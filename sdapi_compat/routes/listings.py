"""GET routes that list what there is, and the routes that look again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sdapi_compat.imaging.upscalers import LATENT_MODES, UpscalerList
from sdapi_compat.routes.reply import json_reply
from sdapi_compat.routes.state import services
from sdapi_compat.sampling.table import SAMPLERS, SCHEDULERS
from sdapi_compat.schema.listings import (
    EmbeddingItem,
    EmbeddingsResponse,
    HypernetworkItem,
    LatentUpscalerModeItem,
    LoraItem,
    PromptStyleItem,
    SamplerItem,
    SchedulerItem,
    SDModelItem,
    SDVaeItem,
    UpscalerItem,
)

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from sdapi_compat.backend.registry_embeddings import EmbeddingFile


async def samplers(request: Request) -> Response:
    """GET /sdapi/v1/samplers."""
    return json_reply([SamplerItem(spec.name, list(spec.aliases), spec.options) for spec in SAMPLERS])


async def schedulers(request: Request) -> Response:
    """GET /sdapi/v1/schedulers."""
    return json_reply(
        [
            SchedulerItem(
                name=spec.name,
                label=spec.label,
                aliases=None if spec.aliases is None else list(spec.aliases),
                default_rho=spec.default_rho,
                need_inner_model=spec.need_inner_model,
            )
            for spec in SCHEDULERS
        ]
    )


async def upscalers(request: Request) -> Response:
    """GET /sdapi/v1/upscalers: those that work here."""
    return json_reply([UpscalerItem(upscaler.name, scale=upscaler.scale) for upscaler in UpscalerList()])


async def latent_upscale_modes(request: Request) -> Response:
    """GET /sdapi/v1/latent-upscale-modes."""
    return json_reply([LatentUpscalerModeItem(name) for name in LATENT_MODES])


async def sd_models(request: Request) -> Response:
    """GET /sdapi/v1/sd-models."""
    return json_reply(
        [
            SDModelItem(
                title=info.title,
                model_name=info.model_name,
                hash=info.shorthash,
                sha256=info.sha256,
                filename=info.filename,
                config=None if info.config is None else str(info.config),
            )
            for info in services(request).catalog.checkpoints
        ]
    )


async def sd_vae(request: Request) -> Response:
    """GET /sdapi/v1/sd-vae."""
    return json_reply([SDVaeItem(info.name, str(info.path)) for info in services(request).catalog.vaes])


async def hypernetworks(request: Request) -> Response:
    """GET /sdapi/v1/hypernetworks."""
    found = services(request).catalog.hypernetworks
    return json_reply([HypernetworkItem(info.name, str(info.path)) for info in found])


async def nothing(request: Request) -> Response:
    """An empty list: face restorers, RealESRGAN models and git extensions, of which there are none here."""
    return json_reply([])


async def prompt_styles(request: Request) -> Response:
    """GET /sdapi/v1/prompt-styles."""
    styles = services(request).catalog.styles.list()
    return json_reply([PromptStyleItem(style.name, style.prompt, style.negative_prompt) for style in styles])


async def embeddings(request: Request) -> Response:
    """GET /sdapi/v1/embeddings: those that fit the current checkpoint, and the others."""
    held = services(request)
    split = held.catalog.embeddings.split(held.text_width())
    return json_reply(EmbeddingsResponse(_embedding_items(split.loaded), _embedding_items(split.skipped)))


def _embedding_items(files: dict[str, EmbeddingFile]) -> dict[str, EmbeddingItem]:
    return {
        name: EmbeddingItem(file.step, file.sd_checkpoint, file.sd_checkpoint_name, file.width, file.vectors)
        for name, file in files.items()
    }


async def loras(request: Request) -> Response:
    """GET /sdapi/v1/loras."""
    found = services(request).catalog.loras
    return json_reply([LoraItem(file.name, file.alias, str(file.path), file.metadata) for file in found])


async def refresh(request: Request) -> Response:
    """POST /sdapi/v1/refresh-checkpoints, -vae, -embeddings and -loras: look at the folders again."""
    await asyncio.to_thread(services(request).catalog.refresh)
    return json_reply(None)
