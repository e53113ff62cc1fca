"""Why a URL was not fetched, as the one who sent it is told (A1111 1.10.1's texts where it has one)."""

from __future__ import annotations

from http import HTTPStatus

from sdapi_compat.errors import ApiError

INVALID = "Invalid image url"
LOCAL = "Request to local resource not allowed"


class FetchError(ApiError):
    """Nothing was fetched; `reason` says why in a few words, without the URL."""

    def __init__(self, reason: str) -> None:
        super().__init__(HTTPStatus.INTERNAL_SERVER_ERROR, f"{INVALID}: {reason}")
        self.reason = reason


class LocalTarget(FetchError):
    """The URL, or a redirect, leads to an address that is not public."""

    def __init__(self) -> None:
        super().__init__("it leads to a local address")
        self.detail = LOCAL


class TooLarge(FetchError):
    """The answer is longer than what may be fetched."""

    def __init__(self, most: int) -> None:
        super().__init__(f"it holds more than {most} bytes")
        self.status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        self.detail = f"Image too large: more than {most} bytes of pictures by URL are not accepted"
