"""The long-lived objects, as a handler gets at them."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from starlette.requests import Request

    from sdapi_compat.services import Services


def services(request: Request) -> Services:
    """What the lifespan put into the request's state."""
    return cast("Services", request.state.services)
