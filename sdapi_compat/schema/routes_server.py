"""Training, the server itself, and the routes of the original's page that clients probe."""

from __future__ import annotations

from typing import Any

from sdapi_compat.schema import examples, server, training
from sdapi_compat.schema.route_docs import ANYTHING, EMPTY, QueryParameter, RouteDoc, Schema, Tag

ARGUMENTS: Schema = {"title": "Args", "type": "object"}
TEXT: Schema = {"type": "string"}
FILE: Schema = {"type": "string", "contentMediaType": "application/octet-stream"}


def trainer(name: str, operation: str, summary: str, response: Any, shown: Any) -> RouteDoc:
    """POST /sdapi/v1/{name} with keyword arguments as its body."""
    return RouteDoc(
        method="POST",
        path=f"/sdapi/v1/{name}",
        operation_id=f"{operation}_sdapi_v1_{name.replace('/', '_')}_post",
        tag=Tag.TRAINING,
        summary=summary,
        description="The body's entries are keyword arguments.",
        request=ARGUMENTS,
        response=response,
        examples=shown,
        errors={501: "This version does not do it."},
    )


TRAINING = (
    trainer(
        "create/embedding",
        "create_embedding",
        "Make an embedding",
        training.CreateResponse,
        examples.CREATE_EMBEDDING,
    ),
    trainer(
        "create/hypernetwork",
        "create_hypernetwork",
        "Make a hypernetwork",
        training.CreateResponse,
        examples.CREATE_HYPERNETWORK,
    ),
    trainer(
        "train/embedding",
        "train_embedding",
        "Train an embedding",
        training.TrainResponse,
        examples.TRAIN_EMBEDDING,
    ),
    trainer(
        "train/hypernetwork",
        "train_hypernetwork",
        "Train a hypernetwork",
        training.TrainResponse,
        examples.TRAIN_HYPERNETWORK,
    ),
)


def probe(
    path: str, operation: str, summary: str, response: Any = ANYTHING, tag: Tag = Tag.SERVER
) -> RouteDoc:
    """GET `path`, a small question about the server."""
    name = "".join(c if c.isalnum() else "_" for c in path)
    return RouteDoc(
        method="GET",
        path=path,
        operation_id=f"{operation}{name}_get",
        tag=tag,
        summary=summary,
        response=response,
    )


def stop(name: str, operation: str, summary: str) -> RouteDoc:
    """POST /sdapi/v1/server-{name}, which exists with --api-server-stop."""
    return RouteDoc(
        method="POST",
        path=f"/sdapi/v1/server-{name}",
        operation_id=f"{operation}_sdapi_v1_server_{name}_post",
        tag=Tag.SERVER,
        summary=summary,
        description="Only with --api-server-stop.",
        response=ANYTHING,
    )


SERVER = (
    RouteDoc(
        method="GET",
        path="/sdapi/v1/memory",
        operation_id="get_memory_sdapi_v1_memory_get",
        tag=Tag.SERVER,
        summary="Main and GPU memory",
        response=server.MemoryResponse,
    ),
    stop("kill", "kill_webui", "End the process at once"),
    stop("restart", "restart_webui", "Start the process anew"),
    stop("stop", "stop_webui", "End the server in order"),
    probe("/healthz", "healthz", "Whether the process answers", server.Health),
    probe("/readyz", "readyz", "Whether a generation would start at once", server.Health),
    probe("/metrics", "metrics", "Counts for Prometheus, in its text format", TEXT),
    probe("/internal/ping", "ping", "Nothing, quickly", EMPTY),
    probe(
        "/internal/profile-startup",
        "profile_startup",
        "How long the start took",
        server.StartupProfile | None,
    ),
    RouteDoc(
        method="GET",
        path="/internal/sysinfo",
        operation_id="download_sysinfo_internal_sysinfo_get",
        tag=Tag.SERVER,
        summary="A report about the system, for looking at",
        response=TEXT,
        media_type="text/plain",
        query=(QueryParameter("attachment", {"type": "boolean", "default": False}, "Send it as a file."),),
    ),
    RouteDoc(
        method="GET",
        path="/internal/sysinfo-download",
        operation_id="download_sysinfo_internal_sysinfo_download_get",
        tag=Tag.SERVER,
        summary="A report about the system, as a file",
        response=TEXT,
        media_type="text/plain",
    ),
)


def networks(name: str, operation: str, summary: str, queries: str, response: Any) -> RouteDoc:
    """GET /sd_extra_networks/{name} with text parameters."""
    return RouteDoc(
        method="GET",
        path=f"/sd_extra_networks/{name}",
        operation_id=f"{operation}_sd_extra_networks_{name.replace('-', '_')}_get",
        tag=Tag.COMPATIBILITY,
        summary=summary,
        response=response,
        query=tuple(QueryParameter(query, TEXT, "As on the cards of the page.") for query in queries.split()),
        media_type="application/octet-stream" if response is FILE else "application/json",
    )


HOME = RouteDoc(
    method="GET",
    path="/",
    operation_id="main__get",
    tag=Tag.COMPATIBILITY,
    summary="A page that tells the server is there",
    response=TEXT,
    media_type="text/html",
)

COMPATIBILITY = (
    HOME,
    probe("/app_id", "app_id", "A number for this run of the server", server.AppId, Tag.COMPATIBILITY),
    probe("/token", "get_token", "The login cookie", server.TokenReply, Tag.COMPATIBILITY),
    probe("/user", "get_current_user", "Name of the user who is logged in", ANYTHING, Tag.COMPATIBILITY),
    probe("/login_check", "login_check", "Whether a login is needed", ANYTHING, Tag.COMPATIBILITY),
    probe("/config", "get_config", "The layout of the original's page", ANYTHING, Tag.COMPATIBILITY),
    probe("/info", "api_info", "The functions of the original's page", ANYTHING, Tag.COMPATIBILITY),
    probe("/startup-events", "startup_events", "A probe for liveness", ANYTHING, Tag.COMPATIBILITY),
    probe("/queue/status", "get_queue_status", "The queue of the page", ANYTHING, Tag.COMPATIBILITY),
    RouteDoc(
        method="POST",
        path="/login",
        operation_id="login_login_post",
        tag=Tag.COMPATIBILITY,
        summary="Log in with the form fields username and password",
        request=server.LoginForm,
        response=server.LoginReply,
        examples=examples.LOGIN,
    ),
    networks("thumb", "fetch_file", "Picture of a card", "filename", FILE),
    networks("cover-images", "fetch_cover_images", "Cover picture in a file", "page item index", FILE),
    networks("metadata", "get_metadata", "Metadata in a file", "page item", ANYTHING),
    networks("get-single-card", "get_single_card", "A card", "page tabname name", server.CardReply),
)
