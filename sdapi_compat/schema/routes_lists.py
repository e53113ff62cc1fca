"""The routes that list what there is, look for new files, and read and change options."""

from __future__ import annotations

from typing import Any

from sdapi_compat.schema import examples, listings, scripts, server
from sdapi_compat.schema.route_docs import EMPTY, FLAGS, NULL, OPTIONS, RouteDoc, Tag


def listing(name: str, operation: str, summary: str, item: Any, tag: Tag = Tag.LISTS) -> RouteDoc:
    """GET /sdapi/v1/{name}, which answers with `item`; the operation is named as FastAPI names it."""
    return RouteDoc(
        method="GET",
        path=f"/sdapi/v1/{name}",
        operation_id=f"{operation}_sdapi_v1_{name.replace('-', '_')}_get",
        tag=tag,
        summary=summary,
        response=item,
    )


def action(name: str, operation: str, summary: str, response: Any = NULL) -> RouteDoc:
    """POST /sdapi/v1/{name} without a body."""
    return RouteDoc(
        method="POST",
        path=f"/sdapi/v1/{name}",
        operation_id=f"{operation}_sdapi_v1_{name.replace('-', '_')}_post",
        tag=Tag.MODELS,
        summary=summary,
        description="A body, if there is one, is not looked at.",
        response=response,
    )


LISTS = (
    listing("samplers", "get_samplers", "Samplers", list[listings.SamplerItem]),
    listing("schedulers", "get_schedulers", "Noise schedules", list[listings.SchedulerItem]),
    listing("upscalers", "get_upscalers", "Upscalers", list[listings.UpscalerItem]),
    listing(
        "latent-upscale-modes",
        "get_latent_upscale_modes",
        "Ways to enlarge latents",
        list[listings.LatentUpscalerModeItem],
    ),
    listing("sd-models", "get_sd_models", "Checkpoints", list[listings.SDModelItem]),
    listing("sd-vae", "get_sd_vaes", "VAEs", list[listings.SDVaeItem]),
    listing("hypernetworks", "get_hypernetworks", "Hypernetworks", list[listings.HypernetworkItem]),
    listing("face-restorers", "get_face_restorers", "Face restorers", list[listings.FaceRestorerItem]),
    listing(
        "realesrgan-models", "get_realesrgan_models", "Real-ESRGAN models", list[listings.RealesrganItem]
    ),
    listing("prompt-styles", "get_prompt_styles", "Saved prompt styles", list[listings.PromptStyleItem]),
    listing("embeddings", "get_embeddings", "Textual inversion embeddings", listings.EmbeddingsResponse),
    listing("loras", "get_loras", "LoRAs", list[listings.LoraItem]),
)

SCRIPTS = (
    listing("scripts", "get_scripts_list", "Names of scripts", scripts.ScriptsList, Tag.SCRIPTS),
    listing(
        "script-info", "get_script_info", "Scripts and their arguments", list[scripts.ScriptInfo], Tag.SCRIPTS
    ),
    listing(
        "extensions",
        "get_extensions_list",
        "Installed extensions",
        list[scripts.ExtensionItem],
        Tag.SCRIPTS,
    ),
)

MODELS = (
    action("refresh-checkpoints", "refresh_checkpoints", "Look for checkpoints again"),
    action("refresh-vae", "refresh_vae", "Look for VAEs again"),
    action("refresh-embeddings", "refresh_embeddings", "Read the embeddings again"),
    action("refresh-loras", "refresh_loras", "Look for LoRAs again"),
    action("unload-checkpoint", "unloadapi", "Free the memory the model takes", EMPTY),
    action("reload-checkpoint", "reloadapi", "Bring the model back into memory", EMPTY),
)

SETTINGS = (
    RouteDoc(
        method="GET",
        path="/sdapi/v1/options",
        operation_id="get_config_sdapi_v1_options_get",
        tag=Tag.OPTIONS,
        summary="All options",
        response=OPTIONS,
    ),
    RouteDoc(
        method="POST",
        path="/sdapi/v1/options",
        operation_id="set_config_sdapi_v1_options_post",
        tag=Tag.OPTIONS,
        summary="Change options",
        description="Those sent are stored; requests that already run or wait are not affected.",
        request={"title": "Req", "type": "object"},
        response=NULL,
        examples=examples.OPTIONS,
        errors={500: "There is no such option or checkpoint, or an option is frozen."},
    ),
    RouteDoc(
        method="GET",
        path="/sdapi/v1/cmd-flags",
        operation_id="get_cmd_flags_sdapi_v1_cmd_flags_get",
        tag=Tag.OPTIONS,
        summary="The command line of the server",
        response=FLAGS,
    ),
    RouteDoc(
        method="GET",
        path="/internal/quicksettings-hint",
        operation_id="quicksettings_hint_internal_quicksettings_hint_get",
        tag=Tag.OPTIONS,
        summary="Names and labels of all options",
        response=list[server.QuicksettingsHint],
    ),
)
