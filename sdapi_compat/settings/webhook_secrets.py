"""The secrets of webhooks, in the form of the Standard Webhooks specification."""

from __future__ import annotations

import base64
import binascii

from sdapi_compat.settings.settings import WebhookSecret

PREFIX = "whsec_"
SIZES = range(24, 65)
"""Bytes."""


def webhook_secrets(text: str | None) -> tuple[WebhookSecret, ...]:
    """Secrets separated by commas. Raises ValueError, without the text, for what is none."""
    parts = [part.strip() for part in (text or "").split(",")]
    return tuple(_secret(part) for part in parts if part)


def _secret(text: str) -> WebhookSecret:
    problem = f'a webhook secret is "{PREFIX}" and {SIZES[0]} to {SIZES[-1]} bytes in base64'
    if not text.startswith(PREFIX):
        raise ValueError(problem)
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError(problem) from None
    if len(key) not in SIZES:
        raise ValueError(problem)
    return WebhookSecret(key)
