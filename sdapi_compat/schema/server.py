"""The server itself: its memory, its errors, and the small routes clients probe it with."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct


class MemoryResponse(Struct, frozen=True):
    """Reply of GET /sdapi/v1/memory; sizes are in bytes."""

    ram: Annotated[
        dict[str, Any],
        Meta(
            description="Main memory: free, used (by this process) and total, or error.",
            examples=[{"free": 2.4e10, "used": 741179392, "total": 2.5e10}],
        ),
    ]
    cuda: Annotated[
        dict[str, Any],
        Meta(
            description="GPU memory: system, active, allocated, reserved, inactive and events, or error.",
            examples=[{"error": "unavailable"}],
        ),
    ]


class ErrorReply(Struct, frozen=True):
    """Body of error replies, except 422 for an unfit request and 404 and 405 for a wrong URL."""

    error: Annotated[str, Meta(description="Kind of error.", examples=["HTTPException"])]
    detail: Annotated[str, Meta(description="What is wrong, where the request is to blame.")]
    body: Annotated[str, Meta(description="Empty.")] = ""
    errors: Annotated[str, Meta(description="What went wrong, where the server is to blame.")] = ""


class ValidationError(Struct, frozen=True):
    """One thing wrong with a request."""

    loc: Annotated[
        list[str | int],
        Meta(description="Path to it: body or query, then names of fields and list positions."),
    ]
    msg: Annotated[str, Meta(description="What is wrong.", examples=["value is not a valid integer"])]
    type: Annotated[str, Meta(description="Kind of problem.", examples=["type_error.integer"])]


class HTTPValidationError(Struct, frozen=True):
    """Reply with status 422: everything that is wrong with the request."""

    detail: Annotated[list[ValidationError], Meta(description="The problems, in the order of the fields.")]


class Health(Struct, frozen=True):
    """Reply of GET /healthz and /readyz; the latter has status 503 unless it says ready."""

    status: Annotated[str, Meta(description="One of ok, ready, loading and failed.")]


class QuicksettingsHint(Struct, frozen=True):
    """An option by its two names."""

    name: Annotated[str, Meta(description="Name in the options.")]
    label: Annotated[str, Meta(description="Name for people.")]


class StartupProfile(Struct, frozen=True):
    """Reply of GET /internal/profile-startup; null while the server is starting."""

    total: Annotated[float, Meta(description="Seconds the start took.")]
    records: Annotated[dict[str, float], Meta(description="Seconds each part of it took, by name.")]


class AppId(Struct, frozen=True):
    """Reply of GET /app_id."""

    app_id: Annotated[int, Meta(description="A number that changes with every start of the server.")]


class TokenReply(Struct, frozen=True):
    """Reply of GET /token."""

    token: Annotated[str | None, Meta(description="Value of the login cookie; null without a login.")] = None
    user: Annotated[str | None, Meta(description="Name of the user; null without a login.")] = None


class LoginForm(Struct, frozen=True):
    """Form fields of POST /login."""

    username: Annotated[str, Meta(description="Name of the user.")] = ""
    password: Annotated[str, Meta(description="The user's password.")] = ""


class LoginReply(Struct, frozen=True):
    """Reply of POST /login."""

    success: Annotated[bool, Meta(description="Always true; a failed login is answered with status 400.")]


class CardReply(Struct, frozen=True):
    """Reply of GET /sd_extra_networks/get-single-card."""

    html: Annotated[str, Meta(description="The card as HTML.")]
