"""Routes of the original that this version does not do: 501 with a reason, never a made-up answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdapi_compat.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

REASONS = {
    "/sdapi/v1/interrogate": "interrogate needs captioning models that are not built in yet",
    "/sdapi/v1/create/embedding": "creating embeddings is not built yet",
    "/sdapi/v1/create/hypernetwork": "creating hypernetworks is not built yet",
    "/sdapi/v1/train/embedding": "training is not built yet",
    "/sdapi/v1/train/hypernetwork": "training is not built yet",
}


def unbuilt(reason: str) -> Callable[[Request], Awaitable[Response]]:
    """A handler that answers 501; the reasons are also in docs/compatibility.md."""

    async def refuse(request: Request) -> Response:
        raise ApiError(501, reason)

    return refuse
