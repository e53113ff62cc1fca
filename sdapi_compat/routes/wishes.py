"""What a generation request wishes for itself in its headers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from sdapi_compat.errors import InvalidRequest, Problem

if TYPE_CHECKING:
    from starlette.requests import Request

    from sdapi_compat.settings import Settings

LONGEST_KEY = 255
LONGEST_WAIT = 24 * 3600.0
POLICIES = ("cancel", "finish")
WAIT = re.compile(r"wait\s*=\s*\"?(\d{1,9})\"?")


class Wishes(msgspec.Struct, frozen=True):
    """`owner`: the user, "" without users. `caller`: that, or the client's address.

    `key`: of idempotency. `cancel`: end the job when its client goes. `respond_async`: answer with where the
    job is, `wait` seconds after it was admitted.
    """

    owner: str = ""
    caller: str = ""
    key: str | None = None
    cancel: bool = False
    respond_async: bool = False
    wait: float = 0.0


def wishes(request: Request, settings: Settings) -> Wishes:
    """Prefer (RFC 7240), Idempotency-Key and X-On-Disconnect. InvalidRequest for what they cannot be."""
    prefer = ",".join(request.headers.getlist("prefer"))
    preferences = [one.strip().lower() for one in re.split("[,;]", prefer)]
    waits = [match[1] for one in preferences if (match := WAIT.fullmatch(one))]
    return Wishes(
        owner=owner_of(request),
        caller=_caller(request),
        key=_key(request.headers.get("idempotency-key")),
        cancel=_policy(request.headers.get("x-on-disconnect"), settings.on_disconnect) == "cancel",
        respond_async="respond-async" in preferences,
        wait=min(float(waits[0]), LONGEST_WAIT) if waits else 0.0,
    )


def owner_of(request: Request) -> str:
    """The user who is logged in, "" without users."""
    return str(request.scope.get("user", ""))


def _caller(request: Request) -> str:
    return owner_of(request) or (request.client.host if request.client else "")


def _key(text: str | None) -> str | None:
    if text is None:
        return None
    if not 0 < len(text) <= LONGEST_KEY:
        raise _unfit("Idempotency-Key", f"ensure this value has 1 to {LONGEST_KEY} characters")
    return text


def _policy(text: str | None, default: str) -> str:
    if text is None:
        return default
    word = text.strip().lower()
    if word not in POLICIES:
        raise _unfit("X-On-Disconnect", "expected cancel or finish")
    return word


def _unfit(header: str, message: str) -> InvalidRequest:
    return InvalidRequest([Problem(("header", header), message, "value_error")])
