"""Replies: msgspec values as JSON, and errors in the API's shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sdapi_compat.errors import SdapiError

_encoder = msgspec.json.Encoder()


def json_reply(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`value` (Structs, dicts, lists, scalars) as JSON. NaN and infinities become null."""
    return Response(_encoder.encode(value), status, headers, media_type="application/json")


def error_reply(error: SdapiError) -> Response:
    """The error's own status and body."""
    return json_reply(error.body(), error.status, error.headers)
