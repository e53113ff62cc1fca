"""Fields of generation requests that the original does not have."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

Webhook = Annotated[
    str | None,
    Meta(
        description=(
            "Not of the original: URL to which signed messages about the job are posted; needs a server "
            "started with --webhook-secret."
        ),
        examples=["https://example.com/hooks/pictures"],
    ),
]
WebhookEvents = Annotated[
    list[Literal["start", "completed", "failed"]] | None,
    Meta(
        description="Not of the original: what webhook is told of; null is everything.",
        examples=[["completed", "failed"]],
    ),
]
Priority = Annotated[
    Annotated[int, Meta(ge=-100, le=100)] | None,
    Meta(
        description=(
            "Not of the original: of the jobs that wait, those of the highest priority are begun first; "
            "-100 to 100, null is 0."
        ),
        examples=[10],
    ),
]
ResponseFormat = Annotated[
    Literal["b64_json", "url"] | None,
    Meta(
        description=(
            "Not of the original: url puts into images the paths under GET /sdapi/v1/jobs/{id}/images where "
            "the pictures are, for as long as the job is kept; null is b64_json."
        ),
        examples=["url"],
    ),
]
OWN_FIELDS = frozenset({"webhook", "webhook_events", "priority", "response_format"})
"""Fields the original does not have: echoed in `parameters` only where the client set them."""
